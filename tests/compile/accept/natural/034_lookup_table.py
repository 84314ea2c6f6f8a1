"""Weights from a small table."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    weights = [15, 29, 56, 110]
    out[0] += weights[ctx.args[0] % 4]
    out[1] = weights[-1]
