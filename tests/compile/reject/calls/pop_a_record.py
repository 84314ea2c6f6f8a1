from pyebpf import *


@record
class Row:
    pid: u32


rows = Hash[u32, Row](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    print(rows.pop(1))
