"""Ports by range."""

from pyebpf import Array, RawTracepointContext, raw_tracepoint, u64

ports = Array[u64](max_entries=3)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    port = ctx.args[0]
    if 0 < port < 1024:
        ports[0] += 1
    elif 1024 <= port <= 49151:
        ports[1] += 1
    elif 49152 <= port < 65536:
        ports[2] += 1
