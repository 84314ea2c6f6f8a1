from pyebpf import *


def both(n: u64) -> tuple[u64, u64]:
    return n, n + 1


@raw_tracepoint("sys_enter")
def probe() -> None:
    a, b = both(1)
    c = (1, 2) if a else (3, 4)
