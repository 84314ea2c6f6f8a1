from pyebpf import *


@record
class Row:
    pid: u32
    comm: Char = chars(16)


events = Events[Row](pages=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.emit(Row(pid=tgid(), comm=comm()))
