from pyebpf import *
from pyebpf.kernel import request


@record
class Row:
    comm: Char = chars(16)
    bits: u64


rows = Hash[u32, Row](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    rows[1] = Row(comm=task.comm, bits=task.signal.rlim[7].rlim_cur)
