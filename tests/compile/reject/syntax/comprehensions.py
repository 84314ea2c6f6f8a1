from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    rows = [n for n in range(3)]
    seen = {n for n in range(3)}
    names = {n: n for n in range(3)}
    some = any(n for n in range(3))
