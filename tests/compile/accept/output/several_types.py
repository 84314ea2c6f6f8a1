"""Records of several types in one buffer, and texts of which only what is used is sent."""

from pyebpf import *


@record
class Opened:
    pid: u32
    path: Char = chars(24)


@record
class Closed:
    pid: u32
    fd: i32


both = Events[Opened | Closed](pages=4)
short = Events[Opened](pages=4, trim=True)
perf = Events[Opened | Closed](pages=4, trim=True, perf=True)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    with both.reserve(Opened) as opened:
        opened.pid = tgid()
        opened.path.read_user_str(ctx.args[1])
    both.emit(Closed(pid=tgid(), fd=3))
    short.emit(Opened(pid=tgid(), path=comm()))
    with perf.reserve(Closed) as closed:
        closed.fd = 4
    perf.emit(Opened(path="a"))
