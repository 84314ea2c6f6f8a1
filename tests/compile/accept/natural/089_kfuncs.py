"""A function of the kernel itself: a task by its number."""

from pyebpf import Const, Global, Ptr, i64, kfunc, tgid, tp_btf, u32
from pyebpf.kernel import pt_regs

task_from_pid = kfunc("bpf_task_from_pid")
task_release = kfunc("bpf_task_release")
target_pid = Const(0, "-p", "--pid")
parent = Global[u32](0)


@tp_btf("sys_enter")
def probe(regs: Ptr[pt_regs], id: i64) -> None:
    if tgid() != target_pid:
        return
    task = task_from_pid(target_pid)
    if task is not None:
        parent.value = task.real_parent.tgid
        task_release(task)
