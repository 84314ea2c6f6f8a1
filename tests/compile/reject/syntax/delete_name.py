from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    n = 1
    del n
