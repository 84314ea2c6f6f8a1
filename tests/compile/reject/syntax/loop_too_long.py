from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for n in range(100_000_000):
        print(n)
