"""Which bits of the flags are used."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

used = Array[u64](max_entries=64)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    flags = ctx.args[2]
    for bit in range(64):
        if flags & (1 << bit):
            used[bit] += 1
