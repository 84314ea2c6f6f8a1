"""Two fields that must change together."""

from pyebpf import Const, Hash, Ptr, SpinLock, i64, record, tgid, tp_btf, u32, u64
from pyebpf.kernel import pt_regs


@record
class Account:
    lock: SpinLock
    calls: u64
    last: u64


target_pid = Const(0, "-p", "--pid")
accounts = Hash[u32, Account](max_entries=64)


@tp_btf("sys_enter")
def probe(regs: Ptr[pt_regs], id: i64) -> None:
    if tgid() != target_pid or id != 110:
        return
    account = accounts.get(1)
    if account is None:
        accounts[1] = Account()
        return
    with account.lock:
        account.calls += 1
        account.last = id
