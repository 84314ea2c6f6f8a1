from pyebpf import *

out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a, b = ctx.args[0], ctx.args[1]
    if a and (b > 3 or a == 7) and not b == 9:
        out[0] = a or b
    out[1] = 1 if a in (1, 2, b) else 0
