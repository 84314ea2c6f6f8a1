"""Numbers that must fit: one that does not ends the program, as the exception would."""

from pyebpf import *

out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    signed = cast(i64, ctx.args[1])
    out[0] = ntohs(ctx.args[0])
    out[1] = ntohl(signed)
    out[2] = ntohll(signed)
    out[3] = htons(cast(u16, ctx.args[0]))
    print(ipv4(ctx.args[2]))
