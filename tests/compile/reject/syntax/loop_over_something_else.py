from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for n in (1, 2):
        print(n)
