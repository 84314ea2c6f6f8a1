"""Values held within limits, and distances."""

from pyebpf import Array, RawTracepointContext, i64, raw_tracepoint

LOW, HIGH = -20, 19
out = Array[i64](max_entries=2)


def clamp(value: i64) -> i64:
    return max(LOW, min(value, HIGH))


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    nice: i64 = ctx.args[0]
    out[0] = clamp(nice)
    out[1] = abs(nice - clamp(nice))
