"""Groups of system calls by number, with match."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

groups = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    match ctx.args[1]:
        case 0 | 17 | 19:
            group = 0
        case 1 | 18 | 20:
            group = 1
        case nr if nr >= 1_000:
            group = 3
        case _:
            group = 2
    groups[group] += 1
