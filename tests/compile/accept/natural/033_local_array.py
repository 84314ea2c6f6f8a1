"""Count the digits of a number in a local array."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

digits = Array[u64](max_entries=10)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    counts = [0] * 10
    rest = ctx.args[0]
    for _ in range(20):
        counts[rest % 10] += 1
        rest //= 10
        if rest == 0:
            break
    for digit in range(10):
        digits[digit] = counts[digit]
