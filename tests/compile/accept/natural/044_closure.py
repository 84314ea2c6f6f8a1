"""Probes made by a function, each with its own limit and table."""

from pyebpf import Array, Probe, RawTracepointContext, raw_tracepoint, u64


def make(limit: int, counts: Array[u64]) -> Probe:
    @raw_tracepoint("sys_enter")
    def above(ctx: RawTracepointContext) -> None:
        if ctx.args[0] > limit:
            counts[0] += 1

    return above


many = Array[u64](max_entries=1)
few = Array[u64](max_entries=1)
ten = make(10, many)
thousand = make(1_000, few)
