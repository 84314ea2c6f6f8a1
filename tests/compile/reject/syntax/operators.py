from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    a = tgid() / 2
    b = tgid() ** 2
    c = tgid() @ 2
