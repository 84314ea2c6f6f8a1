"""Port numbers as they are on the wire."""

from pyebpf import Array, RawTracepointContext, htonl, htons, ntohl, ntohs, raw_tracepoint, u64

HTTP = 80
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = ntohs(ctx.args[0])
    out[1] = ntohl(ctx.args[1])
    out[2] = ctx.args[0] == htons(HTTP)
    out[3] = htonl(ntohl(7))
