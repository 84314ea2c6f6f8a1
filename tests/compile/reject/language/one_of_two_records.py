from pyebpf import *


@record
class Traffic:
    calls: u64


@record
class Both:
    reads: Traffic
    writes: Traffic


entries = Hash[u32, Both](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    entry = entries.get(1)
    if entry is not None:
        own = Traffic(calls=1)
        side = entry.reads if ctx.args[0] else own
        side.calls += 1
