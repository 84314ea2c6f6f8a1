from pyebpf import *

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = current_task().sched_reset_on_fork
