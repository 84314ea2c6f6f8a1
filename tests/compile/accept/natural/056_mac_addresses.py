"""Bytes that are no text: hardware addresses."""

from pyebpf import (
    Array,
    Bytes,
    Hash,
    RawTracepointContext,
    octets,
    raw_tracepoint,
    read_user,
    record,
    u64,
)


@record
class Ethernet:
    destination: Bytes = octets(6)
    source: Bytes = octets(6)


BROADCAST = b"\xff\xff\xff\xff\xff\xff"
talkers = Hash[Ethernet, u64](max_entries=64)
broadcasts = Array[u64](max_entries=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    header = read_user(Ethernet, ctx.args[0])
    if header.destination == BROADCAST:
        broadcasts[0] += 1
    elif header.source.startswith(b"\x02\x00"):
        talkers[header] += 1
