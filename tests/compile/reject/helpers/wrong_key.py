from pyebpf import *
from pyebpf import helpers
from pyebpf.kernel import task_struct

counts = Hash[u32, u64](max_entries=8)
tasks = Hash[u32, Ptr[task_struct]](max_entries=4)
out = Array[i64](max_entries=8)
events = Events[u64](pages=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    text = comm()
    helpers.map_delete_elem(counts, "one")
