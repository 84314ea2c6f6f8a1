"""Count the system calls of one process, or of all."""

from pyebpf import Array, Const, raw_tracepoint, tgid, u64

target_pid = Const(0, "-p", "--pid", help="only this process")
calls = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    if target_pid and tgid() != target_pid:
        return
    calls[0] += 1
