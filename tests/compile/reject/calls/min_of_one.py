from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(min(1))
    print(min(1, key=2))
