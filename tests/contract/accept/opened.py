import os

from pyebpf import (
    Char,
    Events,
    Hash,
    TracepointContext,
    chars,
    comm,
    i32,
    ktime_get_ns,
    load,
    record,
    tgid,
    tid,
    tracepoint,
    u32,
    u64,
)

target_pid = os.getpid()

@record
class Opened:                                   # one declaration: BPF struct, numpy dtype, printed columns
    ts_ns: u64
    pid: u32
    ret: i32
    comm: Char = chars(16)                      # field specifiers, as in dataclasses
    path: Char = chars(256)

events = Events[Opened](pages=64)               # ring buffer; lost events are counted and reported
paths = Hash[u32, u64](max_entries=8_192)

@tracepoint("syscalls:sys_enter_openat")
def enter(ctx: TracepointContext) -> None:
    if target_pid and tgid() != target_pid:     # a module constant or a Const: folded at compile time
        return
    paths[tid()] = ctx.filename

@tracepoint("syscalls:sys_exit_openat")
def leave(ctx: TracepointContext) -> None:
    name = paths.pop(tid())
    if name is not None:
        with events.reserve() as e:             # no 512-byte stack problem: built in the ring buffer
            e.ts_ns, e.pid, e.ret, e.comm = ktime_get_ns(), tgid(), ctx.ret, comm()
            e.path.read_user_str(name)

with load(enter, leave) as session:
    session.sleep(10)
    for batch in session[events]:               # batch: numpy structured array, shape (n,)
        break
    lost = session.lost()
