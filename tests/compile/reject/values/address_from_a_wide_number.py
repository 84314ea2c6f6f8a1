from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    print(ipv4(1 << 32))
    print(ipv4(tgid() - (1 << 40)))
