"""Zip two arrays."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

WEIGHTS = (1, 10, 100)
out = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    values = [ctx.args[0], ctx.args[1], ctx.args[2]]
    total = 0
    for weight, value in zip(WEIGHTS, values):
        total += weight * value
    out[0] = total
