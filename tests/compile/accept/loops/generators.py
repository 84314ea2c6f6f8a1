from pyebpf import *

out = Array[i64](max_entries=8)
counts = Hash[u32, u64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    out[0] = sum(x * x for x in range(n) if x % 2)
    out[1] = any(x * y == n for x in range(10) for y in range(x))
    out[2] = all(v < 5 for v in counts.values())
    out[3] = max((v for v in counts.values()), default=-1)
    out[4] = min(x ^ 5 for x in range(8))
