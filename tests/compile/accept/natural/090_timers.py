"""Something later: a timer in an entry of a map."""

from pyebpf import Array, Const, Global, Ptr, Timer, i64, record, tgid, tp_btf, u32, u64
from pyebpf.kernel import pt_regs


@record
class Later:
    timer: Timer
    value: u64


target_pid = Const(0, "-p", "--pid")
entries = Array[Later](max_entries=1)
fired = Global[u64](0)


def expired(key: u32, entry: Later) -> None:
    fired.value += entry.value


@tp_btf("sys_enter")
def probe(regs: Ptr[pt_regs], id: i64) -> None:
    if tgid() != target_pid or id != 110:
        return
    entry = entries[0]
    entry.value = 5
    entry.timer.start(1_000_000, expired)
