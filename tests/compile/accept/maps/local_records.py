from pyebpf import *


@record
class Inner:
    n: u32
    name: Char = chars(8)


@record
class Row:
    x: i32
    inner: Inner


rows = Hash[u32, Row](max_entries=8)
events = Events[Row](pages=8)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    row = Row(x=1)
    row.x *= tgid()
    row.inner.n += 2
    row.inner.name = comm()
    rows[1] = row
    with events.reserve() as event:
        event.x = 7
        event.x //= 2
