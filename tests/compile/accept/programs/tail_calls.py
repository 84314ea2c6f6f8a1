from pyebpf import *

cells = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def first(ctx: RawTracepointContext) -> int:
    cells[0] += ctx.args[0]
    return 1


@raw_tracepoint("sys_exit")
def second(ctx: RawTracepointContext) -> int:
    jumps.call(0)
    return 2


jumps = TailCalls(first, None, second)


@raw_tracepoint("sys_enter")
def start(ctx: RawTracepointContext) -> int:
    jumps.call(ctx.args[1])
    return 3
