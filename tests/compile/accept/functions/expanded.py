from pyebpf import *

out = Array[u64](max_entries=2)


def scaled(n: u64, times: u64 = 3) -> u64:
    if n > 100:
        return 100
    return n * times


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = scaled(ctx.args[0]) + scaled(times=2, n=ctx.args[1])
