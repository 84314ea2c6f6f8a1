"""Euclid's algorithm: a while loop without a bound that a compiler could see."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

out = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a, b = ctx.args[0], ctx.args[1]
    while b:
        a, b = b, a % b
    out[0] = a
