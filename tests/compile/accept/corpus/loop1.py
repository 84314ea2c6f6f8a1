from pyebpf import *

result = Global[i64](0)


@raw_tracepoint("kfree_skb")
def nested_loops(ctx: RawTracepointContext) -> None:
    total = 0
    for j in range(300):
        for i in range(j):
            total += i * (ctx.args[1] if j & 1 else j)
    result.value = total
