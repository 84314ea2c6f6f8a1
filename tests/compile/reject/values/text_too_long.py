from pyebpf import *


@record
class Row:
    comm: Char = chars(4)


events = Events[Row]()


@raw_tracepoint("sys_enter")
def probe() -> None:
    events.emit(Row(comm="héllo"))
