from pyebpf import *
from pyebpf.kernel import rq, task_struct

runqueues = KernelVariable[rq]("runqueues")
jiffies = KernelVariable[u64]("jiffies")
first_task = KernelVariable[task_struct]("init_task")

out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe() -> None:
    out[0] = runqueues.this_cpu().nr_running
    other = runqueues.on_cpu(1)
    if other is not None:
        out[1] = other.curr.pid
    out[2] = jiffies.value
    out[3] = first_task.value.pid
    if has_variable(jiffies):
        out[4] = 1
