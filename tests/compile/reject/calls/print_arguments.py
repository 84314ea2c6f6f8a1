from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(1, file=2)
    print(1, sep=2)
