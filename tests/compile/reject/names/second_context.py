from pyebpf import *


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext, regs: u64) -> None:
    pass
