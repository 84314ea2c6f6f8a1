"""How long threads wait for a CPU after they were woken."""

from pyebpf import Const, Hash, Log2Hist, Ptr, ktime_get_ns, tp_btf, u32, u64
from pyebpf.kernel import task_struct

target_pid = Const(0, "-p", "--pid")
woken = Hash[u32, u64](max_entries=10_240)
latency = Log2Hist(unit="us")


@tp_btf("sched_wakeup")
def wakeup(task: Ptr[task_struct]) -> None:
    if target_pid and task.tgid != target_pid:
        return
    woken[task.pid] = ktime_get_ns()


@tp_btf("sched_switch")
def switch(preempt: bool, prev: Ptr[task_struct], next: Ptr[task_struct]) -> None:
    if target_pid and next.tgid != target_pid:
        return
    since = woken.pop(next.pid)
    if since is not None:
        latency.add((ktime_get_ns() - since) // 1_000)
