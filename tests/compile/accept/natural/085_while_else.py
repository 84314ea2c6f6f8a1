"""The first prime factor, or none."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n, divisor = ctx.args[0], 2
    while divisor * divisor <= n:
        if n % divisor == 0:
            out[0] = divisor
            break
        divisor += 1
    else:
        out[1] += 1
