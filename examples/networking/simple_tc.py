"""Count packets at both sides of a network device, and drop the datagrams to one port.

$ sudo python examples/networking/simple_tc.py --drop 53 eth0 1   # every second; Ctrl-C ends it
          PASSED  DROPPED
arrived      117        3
sent          90        0

One function decides for the packets that arrive and for those that are sent: traffic control has a
place for programs at each side. After BCC's simple_tc.
"""

from pyebpf import Array, Const, Session, SkBuffContext, i32, record, tc, u32, u64
from pyebpf.cli import run
from pyebpf.net import (
    ETH_P_IP,
    ETHERNET_LENGTH,
    IPPROTO_UDP,
    TC_ACT_SHOT,
    TC_ACT_UNSPEC,
    UDP,
    Ethernet,
    IPv4,
    ipv4_length,
)

device = Const("lo", "device", help="the network device")
port = Const(0, "--drop", metavar="PORT", help="drop what arrives for this UDP port")

SIDES = ("arrived", "sent")


@record
class Seen:
    passed: u64
    dropped: u64


seen = Array[Seen](max_entries=len(SIDES))


def target_port(ctx: SkBuffContext) -> u32:
    """Return the port that a datagram is for; 0 for other packets."""
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if not frame or not ip or frame.kind != ETH_P_IP or ip.protocol != IPPROTO_UDP:
        return 0
    udp = ctx.packet(UDP, at=ETHERNET_LENGTH + ipv4_length(ip))
    return udp.target if udp else 0


def decide(ctx: SkBuffContext, side: u32, unwanted: u32) -> i32:
    if unwanted and target_port(ctx) == unwanted:
        seen[side].dropped += 1
        return TC_ACT_SHOT
    seen[side].passed += 1
    return TC_ACT_UNSPEC  # the next program decides


@tc("ingress", device=device)
def arrives(ctx: SkBuffContext) -> i32:
    return decide(ctx, 0, port)


@tc("egress", device=device)
def is_sent(ctx: SkBuffContext) -> i32:
    return decide(ctx, 1, 0)


def report(session: Session) -> str:
    counts = session[seen].view()
    rows = zip(SIDES, counts["passed"], counts["dropped"], strict=True)
    return "\n".join(
        [
            f"{'':7} {'PASSED':>8} {'DROPPED':>8}",
            *(f"{side:7} {passed:>8} {dropped:>8}" for side, passed, dropped in rows),
        ]
    )


if __name__ == "__main__":
    run(arrives, is_sent, report=report, header="Tracing... Hit Ctrl-C to end.")
