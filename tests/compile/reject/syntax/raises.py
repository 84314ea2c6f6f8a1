from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    if tgid() == 1:
        raise
    if tgid() == 2:
        raise ValueError("a") from None
    if tgid() == 3:
        raise KeyError("b") from ValueError()
    if tgid() == 4:
        raise 5
