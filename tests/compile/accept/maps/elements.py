from pyebpf import *

cells = Array[i64](max_entries=4)
counts = PerCpuHash[u32, u32](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    index = ctx.args[0] - 5
    cells[index] = cells[cpu()] + cells[-1]
    cells[0] = counts.get(1, -1) + counts.pop(2, 7) + len(cells)
