"""Tuples chosen by a condition, compared, by default, and as arguments that compute something."""

from pyebpf import *

pairs = Hash[u32, tuple[u64, u32]](max_entries=4)
out = Array[i64](max_entries=4)


def both(pair):
    return pair[1] * 3 + pair[0] + pair[1]


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n, m = ctx.args[0], ctx.args[1]
    low, (high, more) = (n, (m, 1)) if n < m else (m, (n, 2))
    out[0] = low + high + more
    out[1] = (n, m) == (3, 4) or (n, m) in ((1, 2), (5, 6))
    a, b = pairs.get(1, (7, 8)) if n else (0, 1)
    out[2] = a + b
    out[3] = both((out.fetch_add(0, 1), n))
