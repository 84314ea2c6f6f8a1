from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    print(ipv4(ktime_get_ns()))
