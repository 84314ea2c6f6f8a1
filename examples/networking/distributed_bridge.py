"""Make one bridge of bridges on several hosts, by a VXLAN tunnel that goes wherever a frame has to.

On each host, with a device of the network between them, and a bridge for what is to be joined:

$ sudo ip link add vxlan0 type vxlan external dstport 4789
$ sudo ip link set vxlan0 up master br0
$ sudo python examples/networking/distributed_bridge.py vxlan0 192.0.2.2,192.0.2.3   # the others
ADDRESS           HOST               ARRIVED
02:00:00:00:00:02 192.0.2.2                3
02:00:00:00:00:03 192.0.2.3                8
sent 40 to one host, 2 to all

A tunnel that is `external` sends each frame to where a program says. This one learns from frames
that arrive which host has which address. What is for an address that it has not seen, or for
everybody, goes to all the hosts. After BCC's distributed_bridge.
"""

from ipaddress import IPv4Address

from pyebpf import (
    Array,
    Bytes,
    Const,
    Global,
    LruHash,
    Session,
    SkBuffContext,
    helpers,
    i32,
    octets,
    record,
    tc,
    u32,
    u64,
)
from pyebpf.cli import run
from pyebpf.net import TC_ACT_OK, TC_ACT_SHOT, Ethernet


def listed(text: str) -> str:
    """Take addresses with commas between them; ValueError if it is something else."""
    return ",".join(str(IPv4Address(part)) for part in text.split(","))


device = Const("vxlan0", "device", help="the tunnel, which is a port of a bridge")
peers = Const(
    "", "peers", convert=listed, help="the addresses of the other hosts: 192.0.2.2,192.0.2.3"
)
network = Const(1, "--network", metavar="NUMBER", help="of the tunnel; the same on all hosts")

MOST_PEERS = 16
ADDRESSED = 1  # a mark: this copy knows its host
BPF_F_ZERO_CSUM_TX = 2  # no checksum outside, as is usual for tunnels over IPv4


@record
class Mac:
    octets: Bytes = octets(6)


@record
class TunnelKey:
    """The begin of `struct bpf_tunnel_key`; helpers take as much of it."""

    tunnel: u32
    remote: u32


@record
class Place:
    host: u32
    arrived: u64


places = LruHash[Mac, Place](max_entries=10_240)
hosts = Array[u32](max_entries=MOST_PEERS)
number_of_hosts = Global[u32](0)
sent_to_one, sent_to_all = Global[u64](0), Global[u64](0)


@tc("ingress")
def arrives(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    key = TunnelKey(tunnel=0, remote=0)
    if frame is None or helpers.skb_get_tunnel_key(ctx, key, 8) < 0 or key.tunnel != network:
        return TC_ACT_SHOT
    mac = Mac(octets=frame.source)
    places.setdefault(mac, Place(host=key.remote, arrived=0))
    place = places.get(mac)
    if place is not None:
        place.host = key.remote  # where it is now: it may have moved
        place.arrived += 1
    return TC_ACT_OK


@tc("egress")
def is_sent(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    if frame is None or ctx.mark == ADDRESSED:
        return TC_ACT_OK
    place = places.get(Mac(octets=frame.target))
    if place is not None:
        sent_to_one.value += 1
        return TC_ACT_OK if direct(ctx, place.host) else TC_ACT_SHOT
    sent_to_all.value += 1
    ctx.mark = ADDRESSED
    for number in range(MOST_PEERS):
        if number < number_of_hosts.value and direct(ctx, hosts[number]):
            helpers.clone_redirect(ctx, ctx.ifindex)
    return TC_ACT_SHOT  # the copies are on their way


def direct(ctx: SkBuffContext, host: u32) -> bool:
    key = TunnelKey(tunnel=network, remote=host)
    return helpers.skb_set_tunnel_key(ctx, key, 8, BPF_F_ZERO_CSUM_TX) == 0


def show(session: Session) -> None:
    addresses = [int(IPv4Address(peer)) for peer in session.option(peers).split(",") if peer]
    session[hosts].update(enumerate(addresses))
    session[number_of_hosts].value = len(addresses)
    for probe in (arrives, is_sent):
        session.attach(probe, device=session.option(device))
    try:
        print("Bridging... Hit Ctrl-C to end.")
        session.sleep(float("inf"))
    finally:
        print(table(session))


def table(session: Session) -> str:
    rows = [f"{'ADDRESS':17} {'HOST':15} {'ARRIVED':>10}"]
    for mac, place in session[places].items():
        host = IPv4Address(place.host)
        rows.append(f"{mac.octets.hex(':')} {host!s:15} {place.arrived:>10}")
    to_one, to_all = session[sent_to_one].value, session[sent_to_all].value
    return "\n".join([*rows, f"sent {to_one} to one host, {to_all} to all"])


if __name__ == "__main__":
    run(arrives, is_sent, follow=show)
