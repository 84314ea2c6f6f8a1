"""Share a connection with neighbours: they get one rate together, everybody else another one.

$ sudo python examples/networking/neighbor_sharing.py wan port1,port2     # Ctrl-C ends it
                       PASSED  DROPPED
neighbours send           612       44
neighbours receive        809      170
others send              1290        0
others receive           2711        0

Whoever sends through one of the ports is a neighbour: an address is learned when it is seen there.
The programs at the device that is shared look whom a packet is from or for, and drop what is more
than the rate, which counts for each direction; a pause saves up for a burst. After BCC's
neighbor_sharing.
"""

from ipaddress import IPv4Address

from pyebpf import (
    Array,
    Const,
    LruHash,
    Session,
    SkBuffContext,
    SpinLock,
    i32,
    ktime_get_ns,
    record,
    tc,
    u32,
    u64,
)
from pyebpf.cli import run
from pyebpf.net import ETH_P_IP, ETHERNET_LENGTH, TC_ACT_SHOT, TC_ACT_UNSPEC, Ethernet, IPv4

wan = Const("eth0", "wan", help="the device that is shared")
ports = Const("eth1", "ports", help="the devices of neighbours: port1,port2")
neighbours_rate = Const(128, "--neighbours", metavar="KBIT", help="a second, for all neighbours")
others_rate = Const(1_024, "--others", metavar="KBIT", help="a second, for all others")
burst = Const(10_000, "--burst", metavar="BYTES", help="what may pass at once after a pause")

NEIGHBOURS, OTHERS = 0, 2
SEND, RECEIVE = 0, 1
NAMES = ("neighbours send", "neighbours receive", "others send", "others receive")


@record
class Share:
    lock: SpinLock
    paid_until_ns: u64  # the time at which all that has passed would be through at the rate
    passed: u64
    dropped: u64


#: Who they are, and how many packets each has sent.
neighbours = LruHash[IPv4Address, u64](max_entries=1_024)
shares = Array[Share](max_entries=len(NAMES))


@tc("ingress")
def learns(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if frame and ip and frame.kind == ETH_P_IP:
        neighbours[ip.source] += 1
    return TC_ACT_UNSPEC


@tc("egress", device=wan)
def sends(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if not frame or not ip or frame.kind != ETH_P_IP:
        return TC_ACT_UNSPEC
    return limit(ctx.len, SEND, ip.source in neighbours)


@tc("ingress", device=wan)
def receives(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if not frame or not ip or frame.kind != ETH_P_IP:
        return TC_ACT_UNSPEC
    return limit(ctx.len, RECEIVE, ip.target in neighbours)


def limit(size: u32, direction: u32, is_neighbour: bool) -> i32:
    """Drop what comes before its time; a burst may come as much earlier as it takes at the rate."""
    share = shares[(NEIGHBOURS if is_neighbour else OTHERS) + direction]
    rate = neighbours_rate if is_neighbour else others_rate
    takes_ns, ahead_ns = size * 8_000_000 // rate, burst * 8_000_000 // rate
    now = ktime_get_ns()
    with share.lock:
        until = max(share.paid_until_ns, now) + takes_ns
        if until > now + ahead_ns:
            share.dropped += 1
            return TC_ACT_SHOT
        share.paid_until_ns = until
        share.passed += 1
    return TC_ACT_UNSPEC


def show(session: Session) -> None:
    for name in session.option(ports).split(","):
        session.attach(learns, device=name)
    try:
        print("Sharing... Hit Ctrl-C to end.")
        session.sleep(float("inf"))
    finally:
        print(table(session))


def table(session: Session) -> str:
    rows = [f"{'':20} {'PASSED':>8} {'DROPPED':>8}"]
    for name, share in zip(NAMES, session[shares].values(), strict=True):
        rows.append(f"{name:20} {share.passed:>8} {share.dropped:>8}")
    return "\n".join(rows)


if __name__ == "__main__":
    run(learns, sends, receives, follow=show)
