from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    first, *rest = (1, 2, 3)
