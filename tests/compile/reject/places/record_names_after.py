from pyebpf import *


@record
class Row:
    x: u64


out = Array[u64](max_entries=1)


def change(row: Row) -> None:
    row.x += 1


def same(row: Row) -> Row:
    return row


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    row = Row(x=1)
    row.x = 2
    other = row
    out[0] = row.x
