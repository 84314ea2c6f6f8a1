"""At most one event of each thread in a time."""

from pyebpf import Const, Events, Hash, RawTracepointContext, raw_tracepoint, record, tid, u32, u64

interval_ns = Const(1_000_000_000)


@record
class Seen:
    time: u64
    dropped: u64


last = Hash[u32, u64](max_entries=1_024)
dropped = Hash[u32, u64](max_entries=1_024)
events = Events[Seen]()


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    now = ctx.args[0]
    before = last.get(tid())
    if before is not None and now - before < interval_ns:
        dropped[tid()] += 1
        return
    last[tid()] = now
    events.emit(Seen(time=now, dropped=dropped.pop(tid(), 0)))
