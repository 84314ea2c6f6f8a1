"""The three greatest values, in order."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

top = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    value = ctx.args[0]
    for place in range(3):
        if value > top[place]:
            top[place], value = value, top[place]
