from pyebpf import *
from pyebpf.kernel import task_struct

task_from_pid = kfunc("bpf_task_from_pid")
task_release = kfunc("bpf_task_release")
rcu_lock, rcu_unlock = kfunc("bpf_rcu_read_lock"), kfunc("bpf_rcu_read_unlock")
cpumask_create, cpumask_release = kfunc("bpf_cpumask_create"), kfunc("bpf_cpumask_release")
cpumask_set_cpu, cpumask_empty = kfunc("bpf_cpumask_set_cpu"), kfunc("bpf_cpumask_empty")
tomorrow = kfunc("bpf_of_tomorrow")

out = Array[i64](max_entries=8)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct], comm: u64) -> None:
    other = task_from_pid(1)
    if other is not None:
        out[0] = other.real_parent.pid
        task_release(other)
    mask = cpumask_create()
    if mask:
        cpumask_set_cpu(5, mask)
        cpumask_release(mask)
    rcu_lock()
    out[1] = task.real_parent.tgid
    rcu_unlock()
    if has_kfunc(tomorrow):
        tomorrow(1, 2, 3)
