from pyebpf import *


@record
class Row:
    x: u64


@tracepoint("sched:sched_switch")
def other(ctx: TracepointContext) -> None:
    pass


@raw_tracepoint("sys_enter")
def same(ctx: RawTracepointContext) -> None:
    pass


others = TailCalls(other)
jumps = TailCalls(same)
events = Events[Row](pages=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    others.call(0)
    jumps.call(1)
    with events.reserve():
        pass
    with events.reserve() as event:
        event.x = 1
        jumps.call(0)
    jumps[0] = 5
    jumps.call("first")
