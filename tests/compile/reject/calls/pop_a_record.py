from pyebpf import *


@record
class Row:
    lock: SpinLock
    pid: u32


rows = Hash[u32, Row](max_entries=4)


@tp_btf("sched_switch")
def probe() -> None:
    print(rows.pop(1))
