from pyebpf import *
from pyebpf import helpers


@record
class Row:
    x: u64
    name: Char = chars(16)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    row = Row(x=1)
    other = row
    helpers.get_current_comm(row.name, 16)
    print(other.name)
