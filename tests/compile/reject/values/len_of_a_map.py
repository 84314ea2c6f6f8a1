from pyebpf import *

counts = Hash[u32, u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(len(counts))
