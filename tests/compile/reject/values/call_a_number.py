from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    n = tgid()
    print(n())
