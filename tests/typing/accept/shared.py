"""Atomic operations, globals, defaults: ordinary numbers to a checker."""

from pyebpf import (
    Array,
    Global,
    Hash,
    PerCpuHash,
    StackTrace,
    TailCalls,
    compare_exchange,
    fetch_add,
    load,
    raw_tracepoint,
    record,
    u32,
    u64,
)


@record
class Row:
    count: u64
    level: u32


rows = Hash[u32, Row](max_entries=16)
counts = PerCpuHash[u32, u64](max_entries=16)
cells = Array[u64](max_entries=4)
total = Global[u64](0)
latest = Global[Row]()
stacks = StackTrace(max_entries=64)
by_stack = Hash[tuple[int, int], u64](max_entries=64)


@raw_tracepoint("sys_enter")
def further() -> None:
    by_stack[stacks.kernel(), stacks.user(1)] += 1


steps = TailCalls(further, None)


@raw_tracepoint("sys_enter")
def probe() -> None:
    row = rows.get(1)
    if row is not None:
        ticket = fetch_add(row.count, 1)
        cells[-1] = ticket + counts.get(1, 0) + counts.pop(1, 5) + len(cells)
    total.value += 1
    if total.compare_exchange(5, 6) == 5 or compare_exchange(total.value, 6, 7) == 6:
        latest.value.count = counts.fetch_add(3, 1)
        steps.call(0)
        latest.value = Row(count=total.value, level=1)


def watch() -> int:
    with load(probe) as session:
        session[total].value = 5
        session[steps][1] = further
        assert session[stacks][0].shape == (3,)
        return int(session[total].value + session[latest].value.count)
