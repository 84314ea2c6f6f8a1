"""Several small fields in a word."""

from pyebpf import Hash, RawTracepointContext, bits, raw_tracepoint, record, u32


@record
class Flags:
    seen: u32 = bits(1)
    priority: u32 = bits(7)
    kind: u32 = bits(24)


flags = Hash[u32, Flags](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    flags[1] = Flags(seen=1, priority=ctx.args[0], kind=5)
    entry = flags.get(1)
    if entry is not None:
        entry.kind = entry.priority + 1
