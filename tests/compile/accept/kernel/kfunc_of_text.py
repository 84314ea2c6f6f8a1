from pyebpf import *
from pyebpf.kernel import task_struct

strlen = kfunc("bpf_strlen")
task_from_pid, task_release = kfunc("bpf_task_from_pid"), kfunc("bpf_task_release")
out = Array[i64](max_entries=8)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct], comm: u64) -> None:
    other = task_from_pid(1)
    if other is None:
        return
    out[2] = strlen("hello") + strlen(comm) + strlen(read_kernel_str(comm, 16))
    task_release(other)
