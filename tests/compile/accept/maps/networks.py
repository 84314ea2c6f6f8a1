from ipaddress import IPv4Address, IPv6Address

from pyebpf import *

routes = LpmTrie[IPv4Address, u32](max_entries=256)
zones = LpmTrie[tuple[u32, IPv6Address], u64](max_entries=256)
out = Array[u64](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    here = ipv4(tgid())
    out[0] = routes.get(here, 0)
    routes[here, 24] = 2
    del routes[IPv4Address("10.0.0.0"), 8]
    zone = zones.get((5, IPv6Address("2001:db8::1")))
    if zone is not None:
        out[1] = zone
    zones[(5, IPv6Address("2001:db8::")), 64] += 1
