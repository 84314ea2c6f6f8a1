from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(comm() if tgid() else 1)
