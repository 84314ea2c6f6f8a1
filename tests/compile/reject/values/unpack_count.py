from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    a, b = 1, 2, 3
