from pyebpf import *

NAMES = {0: "read", 1: "write"}
MIXED = {0: "read", 1: 2}
WIDE = {0: -1, 1: 1 << 63}
LONG = {n: n for n in range(200)}
PAIRS = {(1, 2): 3}
cells = Array[i64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    nr = ctx.args[1]
    cells[0] = len(NAMES[7])
    cells[0] = MIXED[nr]
    cells[0] = WIDE[nr]
    cells[0] = LONG[nr]
    cells[0] = PAIRS[nr, 2]
    cells[0] = NAMES.get(nr) == "read"
    cells[0] = NAMES.pop(1)
    cells[0] = NAMES.values(1)
    cells[0] = NAMES[nr]
    NAMES[nr] = 5
