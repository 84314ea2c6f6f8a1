"""Options are constants: ordinary values to a checker."""

from pyebpf import Const, Hash, TracepointContext, tgid, tracepoint, u32, u64

target_pid = Const(0, "-p", "--pid", help="only this process")
by_name = Const(False, "-n", help="count by name")
counts = Hash[u32, u64](max_entries=1024)


@tracepoint("raw_syscalls:sys_enter", when=by_name)
@tracepoint("raw_syscalls:sys_exit")
def count(ctx: TracepointContext) -> None:
    if target_pid and tgid() != target_pid:
        return
    counts[tgid()] += 1
