from pyebpf import *

wanted = Const(0, "--pid")
value = Global[u32](0)


@raw_tracepoint("sys_enter")
def jumped_to(ctx: RawTracepointContext) -> None:
    value.value = 42


jumps = TailCalls(jumped_to)


@raw_tracepoint("sys_enter")
def entry(ctx: RawTracepointContext) -> None:
    if tgid() == wanted:
        jumps.call(0)
