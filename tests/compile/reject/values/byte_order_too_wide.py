from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    out[0] = ntohs(70_000)
    out[1] = htonl(-1)
    out[2] = ntohs(tgid() + 65_536)
