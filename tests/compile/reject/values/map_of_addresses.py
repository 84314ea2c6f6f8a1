from ipaddress import IPv4Address

from pyebpf import *

addresses = Hash[u32, IPv4Address](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    addresses[1] = ipv4(1)
