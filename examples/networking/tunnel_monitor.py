"""Count what VXLAN tunnels carry, by the addresses outside, the tunnel, and the addresses inside.

$ sudo python examples/networking/tunnel_monitor.py eth0 1     # every second; Ctrl-C ends it
OUTSIDE                         TUNNEL INSIDE                         PACKETS      BYTES
192.0.2.1 -> 192.0.2.2              10 10.0.10.1 -> 10.0.10.2             612     857340

The program looks at the device that tunnels run over, at packets from it and to it. What
carries something else than IPv4, ARP for example, is counted with 0.0.0.0 inside. The 20 paths with
the most bytes are shown. After BCC's tunnel_monitor.
"""

from ipaddress import IPv4Address

from pyebpf import Average, Const, Session, SkBuffContext, be32, helpers, i32, record, tc, u32
from pyebpf.cli import run
from pyebpf.net import (
    ETH_P_IP,
    ETHERNET_LENGTH,
    IPPROTO_UDP,
    TC_ACT_UNSPEC,
    UDP,
    UDP_LENGTH,
    Ethernet,
    IPv4,
    ipv4_length,
)

device = Const("eth0", "device", help="the network device that tunnels run over")
port = Const(4_789, "--port", help="the UDP port of VXLAN")


VXLAN_LENGTH = 8
ALL_HEADERS = 200
NOTHING = IPv4Address("0.0.0.0")  # noqa: S104 - not to bind to


@record
class Vxlan:
    flags: be32
    network: be32  # 24 bits, and 8 that are reserved


@record
class Path:
    outer_source: IPv4Address
    outer_target: IPv4Address
    tunnel: u32
    source: IPv4Address
    target: IPv4Address


carried = Average[Path](unit="bytes", max_keys=10_240)


def count(ctx: SkBuffContext) -> None:
    helpers.skb_pull_data(ctx, min(ctx.len, ALL_HEADERS))  # devices leave some in other pages
    frame = ctx.packet(Ethernet)
    outer = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if not frame or not outer or frame.kind != ETH_P_IP or outer.protocol != IPPROTO_UDP:
        return
    at = ETHERNET_LENGTH + ipv4_length(outer)
    udp = ctx.packet(UDP, at=at)
    vxlan = ctx.packet(Vxlan, at=at + UDP_LENGTH)
    if not udp or not vxlan or udp.target != port:
        return
    begin = at + UDP_LENGTH + VXLAN_LENGTH
    inside = ctx.packet(Ethernet, at=begin)
    if not inside:
        return
    path = Path(
        outer_source=outer.source,
        outer_target=outer.target,
        tunnel=vxlan.network >> 8,
        source=NOTHING,
        target=NOTHING,
    )
    inner = ctx.packet(IPv4, at=begin + ETHERNET_LENGTH)
    if inner and inside.kind == ETH_P_IP:
        path.source, path.target = inner.source, inner.target
    carried.add(path, ctx.len)


@tc("ingress", device=device)
def arrives(ctx: SkBuffContext) -> i32:
    count(ctx)
    return TC_ACT_UNSPEC


@tc("egress", device=device)
def is_sent(ctx: SkBuffContext) -> i32:
    count(ctx)
    return TC_ACT_UNSPEC


def report(session: Session) -> str:
    rows = [f"{'OUTSIDE':31} {'TUNNEL':>6} {'INSIDE':31} {'PACKETS':>8} {'BYTES':>10}"]
    for path, size in session[carried].top(20, by="sum").items():
        outside = f"{path.outer_source} -> {path.outer_target}"
        inside = f"{path.source} -> {path.target}"
        rows.append(f"{outside:31} {path.tunnel:>6} {inside:31} {size.count:>8} {size.sum:>10}")
    return "\n".join(rows)


if __name__ == "__main__":
    run(arrives, is_sent, report=report, header="Tracing... Hit Ctrl-C to end.")
