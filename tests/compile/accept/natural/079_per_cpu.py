"""Counters without contention."""

from pyebpf import PerCpuArray, PerCpuHash, RawTracepointContext, raw_tracepoint, u64

total = PerCpuArray[u64](max_entries=1)
by_call = PerCpuHash[u64, u64](max_entries=512)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    total[0] += 1
    by_call[ctx.args[1]] += ctx.args[0]
