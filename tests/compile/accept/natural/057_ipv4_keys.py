"""Bytes sent, by address."""

from ipaddress import IPv4Address

from pyebpf import Array, Hash, RawTracepointContext, ipv4, raw_tracepoint, u64

LOOPBACK = IPv4Address("127.0.0.1")
sent = Hash[IPv4Address, u64](max_entries=64)
local = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    address = ipv4(ctx.args[0])
    if address == LOOPBACK:
        local[0] += 1
    else:
        sent[address] += ctx.args[1]
