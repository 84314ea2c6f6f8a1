from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(tgid() // 0)
    print(tgid() % (3 - 3))
