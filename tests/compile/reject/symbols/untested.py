from pyebpf import *
from pyebpf.kernel import rq, task_struct

task_from_pid, task_release = kfunc("bpf_task_from_pid"), kfunc("bpf_task_release")
mistyped = kfunc("bpf_task_from_pidd")
runqueues = KernelVariable[rq]("runqueues")
wrong = KernelVariable[u64]("runqueues")
untyped = KernelVariable("jiffies")
jiffies = KernelVariable[u64]("jiffies")
tasks = Hash[u32, Ptr[task_struct]](max_entries=4)
out = Array[i64](max_entries=16)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    other = task_from_pid(1)
    task_release(other)
