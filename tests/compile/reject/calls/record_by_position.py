from pyebpf import *


@record
class Row:
    pid: u32
    ret: i32


events = Events[Row]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.emit(Row(1, 2))
    events.emit(Row(pid=1, rett=2))
