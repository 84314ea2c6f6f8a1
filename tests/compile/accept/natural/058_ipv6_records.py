"""IPv6 addresses in a record, compared with a constant."""

from ipaddress import IPv6Address

from pyebpf import Array, Hash, RawTracepointContext, raw_tracepoint, read_user, record, u16, u64

LOCALHOST = IPv6Address("::1")


@record
class Peer:
    address: IPv6Address
    port: u16


peers = Hash[Peer, u64](max_entries=64)
local = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    peer = read_user(Peer, ctx.args[0])
    if peer.address == LOCALHOST:
        local[0] += 1
    peers[peer] += 1
