from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(1 in tgid())
