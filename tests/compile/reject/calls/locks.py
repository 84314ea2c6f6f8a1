from pyebpf import *
from pyebpf.kernel import task_struct


@record
class Account:
    owner: u32
    lock: SpinLock
    turns: u64


accounts = Hash[u32, Account](max_entries=4)
recent = LruHash[u32, Account](max_entries=4)
events = Events[Account](pages=1)
shared = Global[Account]()


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    account = accounts.get(1)
    if account is not None:
        with account.lock as held:
            print(held)
        with account.lock:
            with account.lock:
                account.turns = 1
        with account.turns:
            pass
        accounts[2] = account
        account.lock = account.lock
        accounts[3] = Account(lock=account.lock)
        print(account.lock)
    recent[1] = Account(owner=1)
    shared.value.turns += 1
    events.emit(Account(owner=1))


@raw_tracepoint("sys_enter")
def elsewhere() -> None:
    accounts[1] = Account(owner=1)
