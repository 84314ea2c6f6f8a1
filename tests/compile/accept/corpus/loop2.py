from pyebpf import *

result = Global[u64](0)


@raw_tracepoint("consume_skb")
def while_true(ctx: RawTracepointContext) -> None:
    i = 0
    while True:
        if ctx.args[0] & 1:
            i += 3
        else:
            i += 7
        if i > 40:
            break
    result.value = i
