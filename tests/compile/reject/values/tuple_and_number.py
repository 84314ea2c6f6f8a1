from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    pair = (1, 2)
    pair = 3
    size = 3
    size = (1, 2)
    three = (1, 2)
    three = (1, 2, 3)
