from pyebpf import *
from pyebpf.kernel import request


@raw_tracepoint("sys_enter")
def probe() -> None:
    rq: Ptr[request] = current_task()
    n: u64 = comm()
