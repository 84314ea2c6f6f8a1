from pyebpf import *


@record
class Inner:
    x: u64


@record
class Row:
    inner: Inner


rows = Hash[u32, Inner](max_entries=1)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    entry = rows.get(1)
    if entry is not None:
        row = Row(inner=entry)
        row.inner.x = 3
