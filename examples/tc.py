"""Count what a network device sends, in bytes by address.

$ sudo python examples/tc.py eth0 1             # every second; Ctrl-C ends it
192.168.1.1        1480
93.184.215.14       342
"""

from ipaddress import IPv4Address

from pyebpf import Const, Hash, Session, SkBuffContext, i32, tc, u64
from pyebpf.cli import run
from pyebpf.net import ETH_P_IP, ETHERNET_LENGTH, TC_ACT_UNSPEC, Ethernet, IPv4

device = Const("lo", "device", help="the network device")
sent = Hash[IPv4Address, u64](max_entries=10_240)


@tc("egress", device=device)
def sends(ctx: SkBuffContext) -> i32:
    frame = ctx.packet(Ethernet)
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if frame and ip and frame.kind == ETH_P_IP:
        sent[ip.target] += ctx.len
    return TC_ACT_UNSPEC  # the next program decides


def report(session: Session) -> str:
    return "\n".join(f"{to!s:<15} {size:>7}" for to, size in session[sent].items())


if __name__ == "__main__":
    run(sends, report=report, header="Tracing... Hit Ctrl-C to end.")
