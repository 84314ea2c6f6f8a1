"""A record for each event."""

from pyebpf import (
    Char,
    Events,
    RawTracepointContext,
    chars,
    comm,
    i64,
    raw_tracepoint,
    record,
    tgid,
    u32,
)


@record
class Call:
    pid: u32
    ret: i64
    comm: Char = chars(16)


events = Events[Call](pages=16)


@raw_tracepoint("sys_exit")
def probe(ctx: RawTracepointContext) -> None:
    if ctx.args[1] == 0:
        return
    events.emit(Call(pid=tgid(), ret=ctx.args[1], comm=comm()))
