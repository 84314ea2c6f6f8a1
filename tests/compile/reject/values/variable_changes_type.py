from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    name = 1
    name = comm()
