from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    for n in range(tgid()):
        print(n)
