from pyebpf import *
from pyebpf.kernel import task_struct


@record
class Account:
    lock: SpinLock
    turns: u64


accounts = Hash[u32, Account](max_entries=4)
counts = Hash[u32, u64](max_entries=4)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    account = accounts.get(1)
    if account is None:
        return
    with account.lock:
        account.turns = ktime_get_ns()
        if account.turns > 5:
            counts[1] += 1
        for i in range(3):
            account.turns += task.real_parent.tgid
    print("after")
