from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    n = 4
    while n:
        n -= 1
