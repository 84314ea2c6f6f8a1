"""Records that are larger than the stack: kept in memory of the CPU, looked up where needed."""

from pyebpf import *


@record
class Row:
    number: u64
    text: Char = chars(600)
    counts: FixedArray[u64] = array(100)


@record
class Locked:
    lock: SpinLock
    total: u64
    rows: FixedArray[u32] = array(150)


rows = Hash[u32, Row](max_entries=4)
locked = Array[Locked](max_entries=1)
events = Events[Row](pages=64)
total = Global[u64]()


@noinline
def summed(first: u64) -> u64:
    numbers: FixedArray[u64] = array(80)
    for i in range(80):
        numbers[i] = first + i
    return sum(numbers)


@raw_tracepoint("sys_enter")
def late(ctx: RawTracepointContext) -> None:
    if ctx.args[0] == 0:
        return
    row = Row(number=ctx.args[0], text=comm())
    for i in range(ctx.args[1]):
        row.counts[i % 100] += i
    rows[1] = row
    events.emit(row)
    total.value = summed(3)


@tp_btf("sched_switch")
def in_a_lock() -> None:
    entry = locked.get(0)
    if entry is not None:
        with entry.lock:
            entry.total = entry.total + 1
            numbers: FixedArray[u64] = array(70)
            numbers[entry.total % 70] = 1
            entry.rows[0] = entry.rows[0] + 1
