from pyebpf import *


@record
class Row:
    count: u64
    level: i32


counts = Hash[u32, u64](max_entries=4)
rows = Hash[u32, Row](max_entries=4)
cells = Array[i32](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[1] |= 2
    ticket = counts.fetch_add(2, 3)
    row = rows.get(1)
    if row is not None:
        fetch_add(row.count, ticket)
        row.level ^= compare_exchange(row.level, 1, -1)
    cells.exchange(-1, fetch_and(cells[cpu()], 7))
