from pyebpf import *

cells = Array[i64](max_entries=4)
counts = Hash[u32, u64](max_entries=8)
total = Global[u64](0)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    total.value = comm()
