"""rtnetlink: requests to the kernel's networking over a socket of its own, and what it answers.

A socket belongs to the network namespace in which it was opened: who keeps it can undo there what
was done there. All functions take its descriptor.

Source: ``netlink.h``, ``rtnetlink.h``, ``if_link.h`` and ``pkt_sched.h`` of ``include/uapi/linux``.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct

from pyebpf.runtime.refusal import refusal

# nlmsg_len nlmsg_type nlmsg_flags nlmsg_seq nlmsg_pid
_HEADER = Struct("=IHHII")
# nla_len nla_type
_ATTRIBUTE = Struct("=HH")
#: ``struct tcmsg``: family ifindex handle parent info
TRAFFIC = Struct("=B3xiIII")
# struct ifinfomsg: family type index flags change
_DEVICE = Struct("=BxHiII")
_WORD = Struct("=i")

NLM_F_EXCL, NLM_F_CREATE = 0x200, 0x400
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CAPPED, _NLM_F_ACK_TLVS, _NLM_F_DUMP = 1, 4, 0x100, 0x200, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK, _NETLINK_EXT_ACK = 270, 11
_NESTED = 0x8000

_RTM_SETLINK = 19
RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_DELTFILTER, RTM_GETTFILTER = 44, 45, 46
_IFLA_XDP = 43
_IFLA_XDP_FD, _IFLA_XDP_FLAGS, _IFLA_XDP_EXPECTED_FD = 1, 3, 8
TCA_KIND, TCA_OPTIONS = 1, 2

_ROOM = 1 << 16
_sequence = itertools.count(1)


def open_route() -> int:
    """Return a socket for requests in the network namespace of this process."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
    with suppress(OSError):  # before Linux 4.12 the kernel says nothing but a number
        made.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
    return made.detach()


def attribute(kind: int, data: bytes) -> bytes:
    """Pack an attribute, padded to 4 bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + bytes(-len(data) % 4)


def word(number: int) -> bytes:
    """Pack a number of 32 bits."""
    return _WORD.pack(number)


def nested(kind: int, *inner: bytes) -> bytes:
    """Pack an attribute that holds others."""
    return attribute(kind | _NESTED, b"".join(inner))


def attributes(data: bytes) -> dict[int, bytes]:
    """Return what follows the fixed part of a message, by number."""
    found, at = {}, 0
    while at + _ATTRIBUTE.size <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < _ATTRIBUTE.size:
            break
        found[kind & ~_NESTED] = data[at + _ATTRIBUTE.size : at + size]
        at += size + -size % 4
    return found


def request(fd: int, kind: int, body: bytes, tried: str, flags: int = 0) -> None:
    """Ask for a change.

    Args:
        fd: of :func:`open_route`.
        kind: ``RTM_*``.
        body: the message behind its header.
        tried: what this is, for the message of a refusal.
        flags: ``NLM_F_*`` besides those of every request.

    Raises:
        KernelError: the kernel refused; its own words are part of the message.
    """
    for _ in _answers(fd, kind, body, flags | _NLM_F_ACK, tried):
        pass


def dump(fd: int, kind: int, body: bytes, tried: str) -> list[bytes]:
    """Return all the messages, without their headers, that tell what there is."""
    return list(_answers(fd, kind, body, _NLM_F_DUMP, tried))


def _answers(fd: int, kind: int, body: bytes, flags: int, tried: str) -> Iterator[bytes]:
    number = next(_sequence) & 0xFFFFFFFF
    size = _HEADER.size + len(body)
    os.write(fd, _HEADER.pack(size, kind, flags | _NLM_F_REQUEST, number, 0) + body)
    while True:
        data, at = os.read(fd, _ROOM), 0
        while at + _HEADER.size <= len(data):
            length, what, marks, sequence, _ = _HEADER.unpack_from(data, at)
            content = data[at + _HEADER.size : at + length]
            at += length + -length % 4
            if sequence != number:  # left over from a request that was interrupted
                continue
            if what == _NLMSG_ERROR:
                _raise_refused(content, marks, tried)
                return
            if what == _NLMSG_DONE:
                return
            yield content


def _raise_refused(content: bytes, marks: int, tried: str) -> None:
    """Raise what an acknowledgement says, if it is a refusal."""
    number = -_WORD.unpack_from(content)[0]
    if not number:
        return
    says = b""
    if marks & _NLM_F_ACK_TLVS:
        # Behind the request that is repeated: all of it, or its header if it was cut.
        whole = _HEADER.unpack_from(content, 4)[0]
        skip = 4 + (_HEADER.size if marks & _NLM_F_CAPPED else whole + -whole % 4)
        says = attributes(content[skip:]).get(_NLMSGERR_ATTR_MSG, b"")
    hint = says.rstrip(b"\0").decode("utf-8", "replace")
    raise refusal(number, tried, needs=("CAP_NET_ADMIN",), hint=hint)


def set_xdp(fd: int, device: int, prog_fd: int, flags: int, *, expected_fd: int = -1) -> None:
    """Put an XDP program at a device, or (-1) take it off.

    Args:
        fd: of :func:`open_route`.
        device: the device's index.
        prog_fd: the program.
        flags: ``XDP_FLAGS_*``.
        expected_fd: with ``XDP_FLAGS_REPLACE``: only if this program is there (Linux 5.7).

    Since:  4.8.
    """
    inner = [
        attribute(_IFLA_XDP_FD, word(prog_fd)),
        attribute(_IFLA_XDP_FLAGS, word(flags)),
    ]
    if expected_fd >= 0:
        inner.append(attribute(_IFLA_XDP_EXPECTED_FD, word(expected_fd)))
    body = _DEVICE.pack(socket.AF_UNSPEC, 0, device, 0, 0) + nested(_IFLA_XDP, *inner)
    what = "attaching an XDP program" if prog_fd >= 0 else "taking an XDP program off"
    request(fd, _RTM_SETLINK, body, f"{what} ({_name(device)})")


def _name(device: int) -> str:
    try:
        return socket.if_indextoname(device)
    except OSError:
        return f"device {device}"
