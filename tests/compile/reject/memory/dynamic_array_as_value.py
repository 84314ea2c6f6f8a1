from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("net:frames")
def probe(ctx: TracepointContext) -> None:
    out[0] = ctx.lengths[0]
