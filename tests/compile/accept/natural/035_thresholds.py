"""Own buckets: the first limit that holds the value."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

LIMITS = (10, 100, 1_000, 10_000)
buckets = Array[u64](max_entries=5)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    for i, limit in enumerate(LIMITS):
        if ctx.args[1] < limit:
            buckets[i] += 1
            break
    else:
        buckets[len(LIMITS)] += 1
