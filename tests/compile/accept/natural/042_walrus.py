"""Look up, test and use in one line."""

from pyebpf import Hash, RawTracepointContext, raw_tracepoint, u64

began = Hash[u64, u64](max_entries=64)
took = Hash[u64, u64](max_entries=64)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    who, now = ctx.args[0], ctx.args[1]
    if (start := began.pop(who)) is not None and (passed := now - start) > 10:
        took[who] = passed
    else:
        began[who] = now
