from pyebpf import *


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    print(ctx.regs)
