from ipaddress import IPv4Address

from pyebpf import *

LOCALHOST = IPv4Address("127.0.0.1")
out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    out[0] = b"abc".startswith("a")
    out[1] = LOCALHOST.startswith(b"a")
