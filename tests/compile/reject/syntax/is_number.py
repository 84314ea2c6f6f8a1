from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    if tgid() is 1:
        print("init")
