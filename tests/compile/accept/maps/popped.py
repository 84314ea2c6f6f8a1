"""Records and tuples out of maps: popped, by default, taken apart."""

from pyebpf import *


@record
class Window:
    slots: FixedArray[u64] = array(4)
    next: u32


pairs = Hash[u32, tuple[u64, u32]](max_entries=16)
windows = Hash[u32, Window](max_entries=16)
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def pops() -> None:
    pair = pairs.pop(1)
    if pair is not None:
        start, nr = pair
        out[0] = start + nr + pair[1] + len(pair) + sum(pair)
    window = windows.pop(2)
    if window is not None:
        window.next += 1
        windows[3] = window


@raw_tracepoint("sys_enter")
def defaults() -> None:
    window = windows.setdefault(1, Window(next=2))
    window.slots[window.next % 4] = 5
    window.next += 1
    first, second = pairs.setdefault(4, (1, 2))
    out[1] = first + second
