from pyebpf import *
from pyebpf.kernel import task_struct

WITHOUT = ("helper:spin_lock@raw_tp",)


@record
class Account:
    lock: SpinLock
    turns: u64


accounts = Hash[u32, Account](max_entries=4)


@tp_btf("task_rename")
def probe(task: Ptr[task_struct]) -> None:
    accounts[1] = Account(turns=1)
