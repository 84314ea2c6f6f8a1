from pyebpf import *

rows = Array[u64](max_entries=4)
small = Array[u16](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    rows[0] *= 2
    small[0] += 1
