from pyebpf import *


@union
class Either:
    number: u64
    halves: FixedArray[u32] = array(2)


@record
class Row:
    x: i32
    both: Either


@record
class Table:
    total: u64
    rows: FixedArray[Row] = array(4)
    name: Char = chars(16)


tables = Hash[u32, Table](max_entries=16)
events = Events[Table](pages=4)


def fill(table: Table, n: int) -> None:
    for i in range(4):
        table.rows[i].x = i * n
        table.rows[i].both.number = 1 << 32 | i


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    local = Table(total=1, name="table")
    fill(local, n)
    local.total += local.rows[n].both.halves[1]
    local.rows[-1].x *= 3
    tables[1] = local
    shared = tables.get(2)
    if shared is not None:
        shared.rows[n].x = local.rows[1].x
        shared.total += sum(row.x for row in local.rows)
    with events.reserve() as event:
        event.rows[0].x = 5
        event.total |= n
