"""The Internet checksum of sixteen bytes in two words."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u16, u64

sums = Array[u16](max_entries=1)


def fold(total: u64) -> u64:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    total = 0
    for word in (ctx.args[0], ctx.args[1]):
        for shift in range(0, 64, 16):
            total += word >> shift & 0xFFFF
    sums[0] = ~fold(total)
