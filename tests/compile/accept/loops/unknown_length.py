from pyebpf import *

sums = Hash[u32, u64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    total = 0
    for i in range(ctx.args[0], 2, -3):
        if i == ctx.args[1]:
            return
        for j in range(i):
            total += j
    sums[1] = total
