from ipaddress import IPv4Address, IPv6Address

from pyebpf import (
    Array,
    Bytes,
    Hash,
    TracepointContext,
    ipv4,
    ipv6,
    octets,
    record,
    tracepoint,
    u32,
    u64,
)


@record
class Flow:
    addr: IPv4Address
    six: IPv6Address
    mac: Bytes = octets(6)


flows = Hash[u32, Flow](max_entries=8)
by_address = Hash[IPv4Address, u64](max_entries=8)
out = Array[u64](max_entries=4)


@tracepoint("sched:sched_switch")
def probe(ctx: TracepointContext) -> None:
    addr = ipv4(1)
    by_address[addr] += 1
    flow = flows.get(1)
    if flow is not None and flow.mac == b"\2\0\0\0\0\1" and flow.addr == addr:
        out[0] = flow.mac[0]
        flows[2] = Flow(addr=addr, six=ipv6(flow.six.packed), mac=flow.mac)
