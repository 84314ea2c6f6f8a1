from pyebpf import *


@record
class Row:
    comm: Char = chars(16)


rows = Hash[i32, Row](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    rows[ctx.prev_pid] = Row(comm=ctx.prev_comm)
