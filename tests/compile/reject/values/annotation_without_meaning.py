from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    n: u46 = 5
    print(n)
