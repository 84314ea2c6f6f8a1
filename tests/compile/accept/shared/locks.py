from pyebpf import *
from pyebpf.kernel import task_struct


@record
class Account:
    owner: u32
    lock: SpinLock
    turns: u64
    balance: i64


accounts = Hash[u32, Account](max_entries=4)
first = Array[Account](max_entries=1)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    account = accounts.get(task.tgid)
    if account is None:
        accounts[task.tgid] = Account(owner=1)
        return
    with account.lock:
        if account.turns > 9:
            return
        account.turns = account.turns + 1
        account.balance = 100 // account.balance
    for turn in range(2):
        with first[0].lock:
            if turn == 1:
                break
