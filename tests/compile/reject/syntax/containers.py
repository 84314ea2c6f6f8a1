from pyebpf import *


@raw_tracepoint("sys_enter")
def probe() -> None:
    rows = [1, 2]
    names = {1: 2}
    seen = {1, 2}
