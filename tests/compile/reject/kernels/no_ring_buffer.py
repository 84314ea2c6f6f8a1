from pyebpf import *

WITHOUT = {"ringbuf"}


@record
class Row:
    pid: u32


events = Events[Row]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.emit(Row(pid=tgid()))
    print("sent")
