from pyebpf import *

out = Array[u64](max_entries=8)


def signed(n: i64) -> i64:
    return n


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a = ctx.args[0]
    b = signed(ctx.args[1])
    out[0] = a < b
    out[1] = -5 < b <= 10
    out[2] = min(a, 3) + max(b, 0) + abs(b)
