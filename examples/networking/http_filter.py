"""Print the first line of each HTTP request that a network device receives or sends.

$ sudo python examples/networking/http_filter.py eth0      # Ctrl-C ends it
192.168.1.7:51442 -> 93.184.215.14:80 GET /index.html HTTP/1.1
read 1 packets for 1 requests

The filter in the kernel lets a packet through if its data begins as a request does. It remembers
the connection then, so that the rest of a line that is longer than a packet comes too, until this
program has the whole line, and lets the kernel forget the connection. What is encrypted (https)
cannot be seen. After BCC's http_filter.
"""

import socket
import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from pyebpf import (
    Char,
    Const,
    LruHash,
    Session,
    SkBuffContext,
    chars,
    htons,
    record,
    socket_filter,
    u16,
    u32,
)
from pyebpf.cli import run
from pyebpf.net import ETH_P_IP, ETHERNET_LENGTH, IPPROTO_TCP, TCP, IPv4, ipv4_length, tcp_length

device = Const("lo", "device", help="the network device")

METHODS = ("GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ")
LONGEST = 65_536
ETH_P_ALL = 3


@record
class Connection:
    source: IPv4Address
    target: IPv4Address
    source_port: u16
    target_port: u16


@record
class Begin:
    text: Char = chars(8)


#: Connections in the middle of the first line of a request.
unfinished = LruHash[Connection, u32](max_entries=1_024)


@socket_filter
def requests(ctx: SkBuffContext) -> u32:
    ip = ctx.packet(IPv4, at=ETHERNET_LENGTH)
    if ip is None or ctx.protocol != htons(ETH_P_IP) or ip.protocol != IPPROTO_TCP:
        return 0
    at = ETHERNET_LENGTH + ipv4_length(ip)
    tcp = ctx.packet(TCP, at=at)
    if tcp is None:
        return 0
    connection = Connection(
        source=ip.source, target=ip.target, source_port=tcp.source, target_port=tcp.target
    )
    begin = ctx.packet(Begin, at=at + tcp_length(tcp))
    if begin is not None and begin.text.startswith(METHODS):
        unfinished[connection] = 1
    return ctx.len if connection in unfinished else 0


class Segment(NamedTuple):
    connection: tuple[IPv4Address, IPv4Address, int, int]
    sequence: int
    data: bytes


def taken_apart(frame: bytes) -> Segment:
    words, length, source, target = struct.unpack_from("!BxH8x4s4s", frame, ETHERNET_LENGTH)
    at = ETHERNET_LENGTH + (words & 15) * 4
    source_port, target_port, sequence, offset = struct.unpack_from("!HHI4xB", frame, at)
    data = frame[at + (offset >> 4) * 4 : ETHERNET_LENGTH + length]
    ends = (IPv4Address(source), IPv4Address(target), source_port, target_port)
    return Segment(ends, sequence, data)


class Lines:
    """First lines of requests, put together from segments."""

    def __init__(self) -> None:
        self._begun: dict[object, Segment] = {}

    def add(self, segment: Segment) -> str | None:
        """Return the line that is complete with this segment, if one is."""
        before = self._begun.get(segment.connection)
        if before and segment.sequence == before.sequence + len(before.data) & 0xFFFF_FFFF:
            segment = before._replace(data=before.data + segment.data)
        elif not segment.data.startswith(tuple(method.encode() for method in METHODS)):
            return None  # sent again, or on its way when the kernel forgot the connection
        self._begun[segment.connection] = segment
        line, is_whole, _ = segment.data.partition(b"\r\n")
        if not is_whole:
            return None
        del self._begun[segment.connection]
        return line.decode("latin-1").encode("unicode_escape").decode()


def show(session: Session) -> None:
    lines, packets, count = Lines(), 0, 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:  # gets nothing as yet
        session.attach(requests, socket=raw)
        # What passes through the loopback device is sent and received: once is enough.
        kind = ETH_P_IP if session.option(device) == "lo" else ETH_P_ALL
        raw.bind((session.option(device), kind))
        try:
            print("Listening... Hit Ctrl-C to end.")
            while frame := raw.recv(LONGEST):
                packets += 1
                segment = taken_apart(frame)
                line = lines.add(segment)
                if line is not None:
                    count += 1
                    source, target, source_port, target_port = segment.connection
                    session[unfinished].pop(segment.connection, None)
                    print(f"{source}:{source_port} -> {target}:{target_port} {line}")
        finally:
            print(f"read {packets} packets for {count} requests")


if __name__ == "__main__":
    run(requests, follow=show)
