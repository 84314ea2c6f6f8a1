"""What the children of a process execute."""

from pyebpf import (
    Char,
    Const,
    Events,
    TracepointContext,
    chars,
    current_task,
    record,
    tgid,
    tracepoint,
    u32,
)


@record
class Executed:
    pid: u32
    parent: u32
    file: Char = chars(64)


parent = Const(0, "--parent")
events = Events[Executed]()


@tracepoint("sched:sched_process_exec")
def probe(ctx: TracepointContext) -> None:
    ppid = current_task().real_parent.tgid
    if ppid == parent:
        events.emit(Executed(pid=tgid(), parent=ppid, file=ctx.filename))
