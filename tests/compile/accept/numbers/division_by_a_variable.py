from pyebpf import *

out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = ctx.args[0] // ctx.args[1]
