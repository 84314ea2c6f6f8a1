from pyebpf import *


def even(n: u64) -> bool:
    return odd(n - 1) if n else True


def odd(n: u64) -> bool:
    return even(n - 1) if n else False


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(even(4))
