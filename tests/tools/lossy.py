"""Connections on loopback whose ends can be made deaf: what is sent to them is thrown away."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import until
from tests.tools.connections import LOCAL

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # include/uapi/asm-generic/socket.h
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF_RET | BPF_K: take 0 bytes of each packet
_TCP_INFO = socket.TCP_INFO
# Offsets in struct tcp_info, include/uapi/linux/tcp.h.
_UNACKED, _RTT, _TOTAL_RETRANS, _SEGS_IN = 24, 68, 100, 140


class _Program(ctypes.Structure):
    """``struct sock_fprog`` of ``include/uapi/linux/filter.h``."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


@contextmanager
def deaf(end: socket.socket) -> Iterator[None]:
    """Have the kernel throw away what comes for a socket: it is lost, for whoever has sent it."""
    code = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    program = _Program(1, ctypes.addressof(code))
    end.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
    try:
        yield
    finally:
        end.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


@contextmanager
def connected(
    family: int, local: str = "", remote: str = ""
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a connection: the one that began it, and that of its server.

    Args:
        family: of the sockets.
        local, remote: their addresses, if not the usual one.
    """
    here = (local or LOCAL[family], 0)
    with (
        socket.create_server((remote or LOCAL[family], 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2], source_address=here) as client,
        server.accept()[0] as peer,
    ):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client, peer


def port_of(end: socket.socket) -> int:
    """Return the port of a socket here."""
    port: int = end.getsockname()[1]
    return port


def _info(end: socket.socket, offset: int) -> int:
    told = end.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 256)
    number: int = struct.unpack_from("I", told, offset)[0]
    return number


def sent_again(end: socket.socket) -> int:
    """Return how many packets a socket has sent once more, as the kernel counts them."""
    return _info(end, _TOTAL_RETRANS)


def rtt_us(end: socket.socket) -> int:
    """Return the smoothed round-trip time of a connection in microseconds."""
    return _info(end, _RTT)


def segments_in(end: socket.socket) -> int:
    """Return how many segments have come for a socket."""
    return _info(end, _SEGS_IN)


def until_answered(end: socket.socket) -> None:
    """Wait until nothing that a socket has sent is without an answer."""
    until(lambda: not _info(end, _UNACKED))


def counter(file: str, protocol: str, name: str) -> int:
    """Return a number that the kernel counts for this thread's network namespace.

    Args:
        file: ``"snmp"`` or ``"netstat"``.
        protocol: the beginning of its line: ``"Tcp"``.
        name: its own.
    """
    text = Path(f"/proc/thread-self/net/{file}").read_text(encoding="ascii")
    names, numbers = (
        line.split()[1:] for line in text.splitlines() if line.startswith(f"{protocol}:")
    )
    return int(numbers[names.index(name)])
