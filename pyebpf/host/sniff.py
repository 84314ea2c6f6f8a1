"""Packets as they pass, from a socket that a program filters.

Source:  ``packet(7)``, ``socket(7)``.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from pyebpf.owner import Owner

_ETH_P_ALL = 3  # include/uapi/linux/if_ether.h
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35  # include/uapi/asm-generic/socket.h
_SOL_PACKET, _PACKET_STATISTICS = 263, 6  # include/linux/socket.h, include/uapi/linux/if_packet.h
_LARGEST = 65_536
_NS = 1_000_000_000


class Packet(NamedTuple):
    """A packet from its IP header on, and when it came, on the clock of ``ktime_get_ns``."""

    data: bytes
    time_ns: int


class Sniffer(Owner):
    """A socket for packets of this network namespace, of all of its devices.

    A filter is attached to ``socket``; what came before is thrown away by :meth:`begin`.

    Args:
        room: bytes for packets that nobody has taken yet.

    Raises:
        PermissionError: this needs ``CAP_NET_RAW`` and ``CAP_NET_ADMIN``.
    """

    def __init__(self, room: int) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, room)
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._missed = 0

    def close(self) -> None:
        """Close the socket; its filter goes with it."""
        self.socket.close()

    def begin(self) -> None:
        """Begin with what the filter lets through."""
        for _ in self.taken():
            pass
        _ = self.missed  # whoever asks sets the kernel's count back
        self._missed = 0

    def taken(self) -> Iterator[Packet]:
        """Take the packets that have come."""
        ahead_ns = time.time_ns() - time.monotonic_ns()
        while True:
            try:
                data, about, _, _ = self.socket.recvmsg(_LARGEST, socket.CMSG_SPACE(16))
            except BlockingIOError:
                return
            at = [struct.unpack("qq", value) for _, kind, value in about if kind == _SO_TIMESTAMPNS]
            s, ns = at[0] if at else divmod(time.time_ns(), _NS)
            yield Packet(data, s * _NS + ns - ahead_ns)

    @property
    def missed(self) -> int:
        """How many packets found no room."""
        told = self.socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._missed += struct.unpack("II", told)[1]
        return self._missed
