from pyebpf import *

out = Array[u64](max_entries=4)
PAIR = (3, 4)


def weighed(a: u64, b: u64, c: u64 = 1) -> u64:
    return a * 100 + b * 10 + c


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    both = (ctx.args[0], *PAIR)
    out[0] = weighed(*both)
    out[1] = weighed(*PAIR) + weighed(1, *PAIR)
