"""The longest time that each process spent in one call."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, tgid, u32, u64

worst = Hash[u32, u64](max_entries=1_024)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    took = ctx.args[1]
    worst[tgid()] = max(took, worst.get(tgid(), 0))
