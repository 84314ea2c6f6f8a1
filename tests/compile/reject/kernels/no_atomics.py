from pyebpf import *

WITHOUT = ("atomics", "global_data")
counts = Hash[u32, u64](max_entries=4)
total = Global[u64](0)


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[1] += 1
    counts[1] |= 2
    if counts.fetch_add(1, 1) == 1:
        counts.compare_exchange(1, 2, 3)
    total.value += 1
