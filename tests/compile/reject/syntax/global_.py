from pyebpf import *

total = 0


@raw_tracepoint("sys_enter")
def probe() -> None:
    global total
    total += 1
