import socket

from pyebpf import *

out = Array[u64](max_entries=2)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    port = cast(u16, tgid())
    out[0] = ntohs(port) + socket.ntohs(port) + htonl(1)
