from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("net:frames")
def probe(ctx: TracepointContext) -> None:
    out[0] = cast(Ptr[u32], addressof(ctx.lengths))[1]
    out[1] = ctx.address[0] + ctx.address[-1]
    out[2] = ctx.skb.pid
    print(ctx.name)
