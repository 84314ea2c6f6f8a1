from pyebpf import *

counts = Hash(max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[1] = 2
