from pyebpf import *

rows = Array[u64](max_entries=4)
others = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    mine = rows if ctx.args[0] else others
    mine[0] += 1
    if ctx.args[1]:
        which = rows
    else:
        which = others
    which[0] += 1
    size = 5
    if ctx.args[2]:
        size = "five"
    print(size)
