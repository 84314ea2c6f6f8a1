"""Who switches to whom: a table with a pair as its key."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u32, u64

switches = Hash[tuple[u32, u32], u64](max_entries=4_096)


@raw_tracepoint("sched_switch")
def probe(ctx: RawTracepointContext) -> None:
    switches[ctx.args[1], ctx.args[2]] += 1
