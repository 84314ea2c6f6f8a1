from ipaddress import IPv4Address

from pyebpf import *

out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    if ipv4(cast(u32, tgid())) == 0x7F000001:
        out[0] = 1
    if IPv4Address("300.1.1.1") == ipv4(1):
        out[0] = 1
