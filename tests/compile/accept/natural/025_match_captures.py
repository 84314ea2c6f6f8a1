"""Tuples taken apart by match, with a guard."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u64

seen = Hash[u64, u64](max_entries=64)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    pair = (ctx.args[0], ctx.args[1])
    match pair:
        case (0, 0):
            seen[0] += 1
        case (x, 0):
            seen[1] = x
        case (x, y) if x == y:
            seen[2] = x
        case (x, y):
            seen[3] = x * y
