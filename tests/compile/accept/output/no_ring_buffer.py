"""A kernel without ring buffers: records and lines go through perf events."""

from pyebpf import *

WITHOUT = {"ringbuf"}


@record
class Row:
    pid: u32


events = Events[Row]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.emit(Row(pid=tgid()))
    with events.reserve() as row:
        row.pid = tid()
        if row.pid == 1:
            events.discard(row)
        if row.pid == 2:
            return
    print("sent")
