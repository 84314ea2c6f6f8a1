from pyebpf import *

counts = Hash[u32, u64](max_entries=16)


@tp_btf("sched_switch")
def probe() -> None:
    counts[1] = nov
