from pyebpf import Hash, RawTracepointContext, bits, raw_tracepoint, record, u32, u64


@record
class Flags:
    seen: bool = bits(1)
    kind: u32 = bits(7)
    count: u64


flags = Hash[u32, Flags](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    flags[1] = Flags(seen=True, kind=3, count=ctx.args[0])
    entry = flags.get(1)
    if entry is not None:
        entry.kind |= 4
        entry.seen = entry.kind > entry.count
