"""How many of three arguments are zero; the sum of the even numbers below ten."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = sum(1 for n in (ctx.args[0], ctx.args[1], ctx.args[2]) if n == 0)
    out[1] = sum(n for n in range(10) if n % 2 == 0)
