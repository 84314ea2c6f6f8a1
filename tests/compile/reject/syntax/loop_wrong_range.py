from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for n in range(0, 10, 0):
        print(n)
