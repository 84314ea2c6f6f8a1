"""A classification with early returns."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

kinds = Array[u64](max_entries=4)


def kind_of(size: u64) -> int:
    if size == 0:
        return 0
    if size <= 4_096:
        return 1
    for exponent in range(13, 22):
        if size == 1 << exponent:
            return 2
    return 3


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    kinds[kind_of(ctx.args[1])] += 1
