from pyebpf import *


def double(n: u64, times: u64 = 2) -> u64:
    return n * times


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(double())
    print(double(1, 2, 3))
    print(double(1, n=2))
    print(double(1, factor=2))
