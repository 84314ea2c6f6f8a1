from pyebpf import *


@record
class Opened:
    pid: u32
    ret: i32


events = Events[Opened]()
last = Hash[u32, Opened](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    opened = last.get(tgid())
    if opened is not None:
        print(opened.rett)
