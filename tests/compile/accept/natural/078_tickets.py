"""A number for each event, and the first one only once."""

from pyebpf import Array, Global, RawTracepointContext, raw_tracepoint, u64

FREE = 0
next_ticket = Global[u64](100)
owner = Global[u64](FREE)
last = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    last[0] = next_ticket.fetch_add(1)
    if owner.compare_exchange(FREE, ctx.args[0]) == FREE:
        last[1] += 1
