from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    pair = (1, 2)
    print(max(*pair))
    print(max(**pair))
