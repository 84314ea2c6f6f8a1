from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    seen = {n for n in range(3)}
    names = {n: n for n in range(3)}
