"""What a stream of records of several types refuses."""

from pyebpf import *


@record
class Opened:
    pid: u32


@record
class Closed:
    pid: u32


@record
class Renamed:
    pid: u32


both = Events[Opened | Closed](pages=4)
numbers = Events[u32 | u64](pages=4)
short = Events[Opened](pages=4, trim=True)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    both.emit(Renamed(pid=1))
    both.emit(7)
    with both.reserve() as event:
        event.pid = 1
    with both.reserve(Renamed) as event:
        event.pid = 1
    with both.reserve(Opened, Closed) as event:
        event.pid = 1
    numbers.emit(1)
    short.emit(Opened(pid=1))
