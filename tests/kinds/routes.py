"""A route whose packets run a program, made with a message to the kernel's routing table.

Source: ``include/uapi/linux/rtnetlink.h``, ``lwtunnel.h`` and ``seg6_local.h``.
"""

from __future__ import annotations

import os
import socket
import struct
from ipaddress import IPv6Address

_RTM_NEWROUTE, _REQUEST, _ACK, _CREATE = 24, 1, 4, 0x400
_MAIN, _BOOT, _UNICAST = 254, 3, 1
_DST, _OIF, _ENCAP_TYPE, _ENCAP, _NESTED = 1, 4, 21, 22, 0x8000
_ENCAP_SEG6_LOCAL = 7
_ACTION, _BPF = 1, 8
_END_BPF = 15
_PROG, _PROG_NAME = 1, 2
_ERROR = 2


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def segment(address: IPv6Address, device: str, program: int) -> None:
    """Let a program, by its descriptor, end the segment at an address.

    The route belongs to the network namespace of this thread, and ends with it.
    """
    index = socket.if_nametoindex(device)
    bpf = _attribute(_PROG, struct.pack("=I", program)) + _attribute(_PROG_NAME, b"ends\0")
    encap = _attribute(_ACTION, struct.pack("=I", _END_BPF)) + _attribute(_BPF | _NESTED, bpf)
    body = struct.pack("=8BI", socket.AF_INET6, 128, 0, 0, _MAIN, _BOOT, 0, _UNICAST, 0)
    body += _attribute(_DST, address.packed) + _attribute(_OIF, struct.pack("=I", index))
    body += _attribute(_ENCAP_TYPE, struct.pack("=H", _ENCAP_SEG6_LOCAL))
    body += _attribute(_ENCAP | _NESTED, encap)
    flags = _REQUEST | _ACK | _CREATE
    message = struct.pack("=IHHII", 16 + len(body), _RTM_NEWROUTE, flags, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as routes:
        routes.send(message)
        answer = routes.recv(4096)
    _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", answer)
    if kind != _ERROR or error:
        raise OSError(-error, f"the route is refused: {os.strerror(-error)}")


def routed(through: IPv6Address, to: IPv6Address) -> bytes:
    """Return a frame for everybody: a datagram through a segment, by RFC 8754."""
    datagram = struct.pack("!HHHH", 4001, 4000, 12, 0) + b"text"
    header = struct.pack("!BBBBBBH", 17, 4, 4, 1, 1, 0, 0) + to.packed + through.packed
    length = len(header) + len(datagram)
    ipv6 = struct.pack("!IHBB", 6 << 28, length, 43, 64) + to.packed
    return b"\xff" * 6 + bytes(6) + b"\x86\xdd" + ipv6 + through.packed + header + datagram
