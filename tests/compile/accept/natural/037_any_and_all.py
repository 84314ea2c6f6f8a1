"""Generator expressions in any and all."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

WATCHED = (0, 1, 257)
out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    nr = ctx.args[1]
    if any(nr == watched for watched in WATCHED):
        out[0] += 1
    if all(arg < 100 for arg in (ctx.args[0], ctx.args[1])):
        out[1] += 1
