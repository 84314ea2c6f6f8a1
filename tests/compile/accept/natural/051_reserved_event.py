"""An event of several KiB, built where it will be read."""

from pyebpf import Char, Events, RawTracepointContext, chars, comm, raw_tracepoint, record, u32, u64


@record
class Place:
    line: u32
    file: Char = chars(1_024)


@record
class Big:
    time: u64
    comm: Char = chars(16)
    first: Place
    second: Place


events = Events[Big](pages=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    with events.reserve() as event:
        event.time = ctx.args[0]
        event.comm = comm()
        event.first.line = 1
        event.first.file = "a.py"
        event.second.line = event.first.line + 1
