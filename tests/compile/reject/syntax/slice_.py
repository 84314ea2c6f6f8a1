from pyebpf import *

counts = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(counts[1:3])
