from pyebpf import *

LIMIT = 2**64


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(tgid() < LIMIT)
