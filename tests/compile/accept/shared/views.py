from pyebpf import *
from pyebpf import helpers
from pyebpf.kernel import task_struct


@record
class Piece:
    text: Char = chars(16)


@record
class Pair:
    low: u16
    high: u16


@record
class Row:
    data: FixedArray[u8] = array(64)
    number: u64


rows = Array[Row](max_entries=4)
buffer = Global[FixedArray[u8]](array(128))
sums = Global[FixedArray[u64]](array(8))
weights = Global[FixedArray[i32]]([1, 2, -3])
title = Global[Char](chars(16))
newest = Global[Ptr[task_struct]]()
out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    sums.value[tgid() % 8] += 1
    out[0] = sum(weights.value) + fetch_add(sums.value[0], 2)
    title.value = comm()
    newest.value = current_task()
    out[1] = newest.value.tgid
    at = 0
    for _ in range(4):
        piece = view(Piece, buffer.value, at)
        at += piece.text.read_kernel_str(addressof(current_task().comm)) & 15
    row = rows.get(0)
    if row is not None:
        pair = view(Pair, row.data)
        pair.high += 1 if pair.low == 0 else 2
        out[2] = view(u32, row.data, at) + view(u16, row)
    out[3] = helpers.get_current_comm(view(Piece, buffer.value, at).text, 16)


@raw_tracepoint("sys_exit")
def local() -> None:
    row = Row(number=5)
    view(Pair, row, 4).high = 3
    out[4] = view(u32, row, 4) + row.data[6]
