"""Functions, variables and helpers of the kernel."""

from pyebpf import (
    Array,
    KernelVariable,
    Ptr,
    comm,
    has_kfunc,
    has_variable,
    helpers,
    i64,
    kfunc,
    tp_btf,
    u64,
)
from pyebpf.kernel import rq, task_struct

task_from_pid, task_release = kfunc("bpf_task_from_pid"), kfunc("bpf_task_release")
runqueues = KernelVariable[rq]("runqueues")
jiffies = KernelVariable[u64]("jiffies")
out = Array[i64](max_entries=8)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    other = task_from_pid(1)
    if other is not None:
        out[0] = other.pid
        task_release(other)
    out[1] = jiffies.value
    if has_kfunc(task_from_pid) and has_variable(runqueues):
        out[2] = 1
    text = comm()
    out[3] = helpers.get_current_comm(text, 16) + helpers.get_current_task_btf().pid
