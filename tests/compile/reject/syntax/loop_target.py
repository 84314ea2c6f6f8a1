from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for a, b in range(3):
        print(a)
