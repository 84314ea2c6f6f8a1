from pyebpf import *

WITHOUT = ["helper:loop"]
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = 0
    while n < ctx.args[0]:
        n += 1
    out[0] = n
