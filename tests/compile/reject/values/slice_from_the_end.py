from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    if comm()[-2:] == "sh":
        out[0] = 1
