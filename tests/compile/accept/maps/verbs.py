from pyebpf import *

counts = Hash[u32, u64](max_entries=4)
recent = LruHash[u32, u64](max_entries=4)
cells = PerCpuArray[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    key = tgid()
    counts[key] = 1
    counts[key] += 2
    del counts[key]
    if key not in counts:
        recent[key] = counts.setdefault(key, 9)
    cells[1] -= 1
