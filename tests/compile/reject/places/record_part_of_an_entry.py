from pyebpf import *


@record
class Inner:
    x: u64


@record
class Row:
    inner: Inner


rows = Hash[u32, Row](max_entries=1)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    row = rows.get(1)
    if row is not None:
        inner = row.inner
        inner.x = 3
