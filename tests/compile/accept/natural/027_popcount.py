"""Count bits, as everybody learns it."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

ones = Array[u64](max_entries=65)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    rest, count = ctx.args[0], 0
    while rest:
        rest &= rest - 1
        count += 1
    ones[count] += 1
