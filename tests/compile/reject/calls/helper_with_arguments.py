from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(tgid(1))
    print(comm(16))
