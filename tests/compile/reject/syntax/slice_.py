from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(comm()[1:3])
