from ipaddress import IPv4Address, IPv6Address

from pyebpf import *

LOCALHOST = IPv4Address("127.0.0.1")


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
    flow = flows.get(2)
    if flow is None:
        return
    addr = ipv4(cast(u32, out[0]))
    six = flow.six
    if addr != LOCALHOST and six != IPv6Address("::1"):
        by_address[addr] += 1
        flows[1] = Flow(addr=addr, six=six, mac=b"\2\0\0\0\0\1")
        print(f"{addr} {six}")
    if flow.mac[:3] == b"\2\0\0":
        out[1] = flow.mac[5]
