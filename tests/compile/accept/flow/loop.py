from pyebpf import *

out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    for i in range(8):
        if i == ctx.args[0]:
            continue
        if i > ctx.args[1]:
            break
        out[i] += i
    else:
        out[7] = 1
