"""Which files are opened, with the result."""

from pyebpf import (
    Char,
    Const,
    Events,
    Hash,
    TracepointContext,
    chars,
    i32,
    record,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)


@record
class Opened:
    pid: u32
    ret: i32
    path: Char = chars(256)


target_pid = Const(0, "-p", "--pid")
names = Hash[u32, u64](max_entries=8_192)
events = Events[Opened](pages=64)


@tracepoint("syscalls:sys_enter_openat")
def enter(ctx: TracepointContext) -> None:
    if target_pid and tgid() != target_pid:
        return
    names[tid()] = ctx.filename


@tracepoint("syscalls:sys_exit_openat")
def leave(ctx: TracepointContext) -> None:
    name = names.pop(tid())
    if name is not None:
        with events.reserve() as event:
            event.pid, event.ret = tgid(), ctx.ret
            event.path.read_user_str(name)
