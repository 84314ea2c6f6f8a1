from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    x = 1 << 70
