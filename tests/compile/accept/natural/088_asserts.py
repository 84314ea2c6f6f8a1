"""What must be true, said with assert: a failed one ends the probe."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

good = Array[u64](max_entries=1)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    size = ctx.args[1]
    assert size < 1 << 32, "sizes are small"
    good[0] += 1
