from pyebpf import *

found = Hash[u32, u64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    left, turns = ctx.args[0], 0
    while left:
        left //= 2
        turns += 1
        if turns == 40:
            break
    else:
        found[1] = turns
    while (seen := found.get(turns)) is not None and seen > 3:
        turns = turns + seen
    found[2] = turns
