"""An IntFlag: what files are opened for."""

from enum import IntFlag

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64


class Open(IntFlag):
    WRITE = 0o1
    READ_WRITE = 0o2
    CREATE = 0o100
    TRUNCATE = 0o1000


modes = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    flags = ctx.args[2]
    if flags & (Open.WRITE | Open.READ_WRITE):
        modes[0] += 1
    if flags & Open.CREATE and not flags & Open.TRUNCATE:
        modes[1] += 1
    if flags & Open.TRUNCATE == Open.TRUNCATE:
        modes[2] += 1
