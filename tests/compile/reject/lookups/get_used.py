from pyebpf import *

seen = Hash[u32, u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    total = seen.get(1) + 1
