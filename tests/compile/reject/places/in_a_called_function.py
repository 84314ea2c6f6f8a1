from pyebpf import *


def shared(n: u64) -> u64:
    return n + missing


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(shared(1))
