from pyebpf import *


@record
class Row:
    count: u64
    small: u16


counts = Hash[u32, u64](max_entries=4)
rows = Hash[u32, Row](max_entries=4)
events = Events[Row](pages=1)
total = Global[u64](0)
untyped = Global(0)
too_large = Global[u8](300)


@raw_tracepoint("sys_enter")
def probe() -> None:
    local = 5
    fetch_add(local, 1)
    counts.fetch_add(1)
    total.exchange()
    total.value *= 2
    total.value = "many"
    row = rows.get(1)
    if row is not None:
        exchange(row.small, 1)
        compare_exchange(row.count, 1)
    with events.reserve() as event:
        fetch_or(event.count, 1)
    untyped.value = 1
    too_large.value += 1
    total.append(1)
    counts.get(1, None) + 1
    rows.get(1, 0)
    fetch_add(amount=1)
