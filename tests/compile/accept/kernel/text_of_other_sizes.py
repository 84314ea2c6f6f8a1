from pyebpf import *


@record
class Row:
    comm: Char = chars(16)
    n: i64


rows = Hash[u32, Row](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    rows[1] = Row(comm=read_user_str(ctx.args[0], 64), n=1)
    rows[2] = Row(comm=read_user_str(ctx.args[0], 8), n=2)
    rows[3] = Row(n=3, comm=current_task().comm)
