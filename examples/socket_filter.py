"""Read pings from a socket that gets nothing else: the filter is in the kernel.

$ sudo python examples/socket_filter.py eth0    # Ctrl-C ends it
ping from 192.168.1.7, 98 bytes
"""

import socket
from ipaddress import IPv4Address

from pyebpf import Const, Session, SkBuffContext, socket_filter, u32
from pyebpf.cli import run
from pyebpf.net import ETH_P_IP, ETHERNET_LENGTH, ICMP, IPPROTO_ICMP, IPv4, ipv4_length

device = Const("lo", "device", help="the network device")


@socket_filter
def pings(ctx: SkBuffContext) -> u32:
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if ip and ip.protocol == IPPROTO_ICMP:
        icmp = ctx.packet(ICMP, at=ETHERNET_LENGTH + ipv4_length(ip))
        if icmp and icmp.kind == 8:  # an echo request
            return ctx.len
    return 0


def show(session: Session) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:  # gets nothing as yet
        session.attach(pings, socket=raw)
        raw.bind((session.option(device), ETH_P_IP))
        print("Listening... Hit Ctrl-C to end.")
        while packet := raw.recv(65_536):
            print(f"ping from {IPv4Address(packet[26:30])}, {len(packet)} bytes")


if __name__ == "__main__":
    run(pings, follow=show)
