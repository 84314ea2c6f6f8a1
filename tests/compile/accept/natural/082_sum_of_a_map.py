"""Add up what a map holds."""

from pyebpf import Array, Hash, RawTracepointContext, raw_tracepoint, u32, u64

by_process = Hash[u32, u64](max_entries=64)
out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    entries = total = 0
    for pid, count in by_process.items():
        if pid != ctx.args[0]:
            total += count
            entries += 1
    out[0] = total
    out[1] = entries
