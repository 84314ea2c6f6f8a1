"""What cannot be seen as another type, and what a Global cannot be."""

from pyebpf import *


@record
class Pair:
    low: u32
    high: u32


pairs = Array[Pair](max_entries=4)
empty = Global[FixedArray[u64]]()
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    pair = Pair(low=1)
    number = tgid()
    out[0] = view(u32, number)
    out[0] = view(u64, pair, 4)
    out[0] = view(u32, pair, 2)
    out[0] = view(u32, pair, tgid())
    out[0] = view(u32)
    out[0] = view(Char, pair)
    out[0] = view(u32, current_task())
    out[0] = view(SpinLock, pairs[0])
    out[0] = empty.value[0]
    out[0] = kernel_config("HZ")
    out[0] = kernel_config()
