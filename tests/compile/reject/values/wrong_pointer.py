from pyebpf import *
from pyebpf.kernel import request

started = Hash[Ptr[request], u64](max_entries=4)


@tp_btf("sched_switch")
def probe() -> None:
    started[current_task()] = 1
