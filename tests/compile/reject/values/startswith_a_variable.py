from pyebpf import *

out = Array[u64](max_entries=1)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    name = comm()
    out[0] = name.startswith(comm())
