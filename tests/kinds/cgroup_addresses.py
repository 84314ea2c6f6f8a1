"""Programs at addresses: a child in a cgroup gives a port, or is told one, and it is another."""

from __future__ import annotations

import socket
from collections.abc import Callable

from pyebpf import SockAddrContext, cgroup_sock_addr, htons, i32
from pyebpf.dsl.probes import Probe
from tests.kinds.case import Steps, case
from tests.kinds.cgroups import LOOPBACK, check, counts

ASKED, GIVEN, OTHER = 4100, 4200, 4300
UNIX = int(socket.AF_UNIX)
#: In no file system, and of this network namespace only.
NAME = "\0pyebpf-receiver"


def moving(call: str) -> Probe:
    @cgroup_sock_addr(call)
    def moves(ctx: SockAddrContext) -> i32:
        if ctx.user_port == htons(ASKED):
            counts[0] += 1
            ctx.user_port = htons(GIVEN)
        return 1

    return moves


def _open(family: socket.AddressFamily, port: int = 0) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.settimeout(10)
    if port:
        made.bind((LOOPBACK[family], port))
    return made


def bind(family: socket.AddressFamily) -> int:
    with _open(family, ASKED) as one:
        return int(one.getsockname()[1])


def connect(family: socket.AddressFamily) -> int:
    with _open(family) as one:
        one.connect((LOOPBACK[family], ASKED))
        return int(one.getpeername()[1])


def sendmsg(family: socket.AddressFamily) -> int:
    """Return the port of the socket that a datagram reached: both are there."""
    with _open(family, ASKED) as asked, _open(family, GIVEN) as given, _open(family) as sender:
        sender.sendto(b"text", (LOOPBACK[family], ASKED))
        asked.setblocking(False)
        try:
            asked.recv(9)
        except BlockingIOError:
            given.recv(9)
            return GIVEN
        return ASKED


def recvmsg(family: socket.AddressFamily) -> int:
    with _open(family, OTHER) as receiver, _open(family, ASKED) as sender:
        sender.sendto(b"text", (LOOPBACK[family], OTHER))
        return int(receiver.recvfrom(9)[1][1])


def getsockname(family: socket.AddressFamily) -> int:
    return bind(family)


def getpeername(family: socket.AddressFamily) -> int:
    return connect(family)


CALLS: dict[str, Callable[[socket.AddressFamily], int]] = {
    "bind": bind, "connect": connect, "sendmsg": sendmsg, "recvmsg": recvmsg,
    "getsockname": getsockname, "getpeername": getpeername,
}  # fmt: skip
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}


def _declare(call: str, digit: str) -> None:
    family = FAMILIES[digit]

    @case(f"cgroup_{call}{digit}")
    def an_address(steps: Steps) -> None:
        check(steps, moving(f"{call}{digit}"), lambda: CALLS[call](family), GIVEN, 1)


for _call in CALLS:
    for _digit in FAMILIES:
        _declare(_call, _digit)


def counting(call: str, gives: int) -> Probe:
    """Return a program at the address of a socket in the file system: a path."""

    @cgroup_sock_addr(call)
    def counted(ctx: SockAddrContext) -> i32:
        if ctx.user_family == UNIX:
            counts[0] += 1
        return gives

    return counted


Path = Callable[[socket.socket, socket.socket], object]
#: What is called for each, by a sender that is bound to a path of its own, and whether it may.
PATHS: dict[str, tuple[Path, int]] = {
    "connect": (lambda _, sender: sender.connect(NAME), 0),
    "sendmsg": (lambda _, sender: sender.sendto(b"text", NAME), 0),
    "recvmsg": (lambda receiver, sender: _sent(receiver, sender).recvfrom(9), 1),
    "getsockname": (lambda _, sender: sender.getsockname(), 1),
    "getpeername": (lambda _, sender: _connected(sender).getpeername(), 1),
}


def _sent(receiver: socket.socket, sender: socket.socket) -> socket.socket:
    sender.sendto(b"text", NAME)
    return receiver


def _connected(sender: socket.socket) -> socket.socket:
    sender.connect(NAME)
    return sender


def check_path(steps: Steps, probe: Probe, work: Path, told: str) -> None:
    """See that a program runs once where a path is given or asked for."""

    def try_it() -> str:
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind(NAME)
            sender.bind("\0pyebpf-sender")
            try:
                work(receiver, sender)
            except PermissionError:
                return "refused"
            return "done"

    check(steps, probe, try_it, told, 1)


def _declare_path(call: str) -> None:
    work, gives = PATHS[call]

    @case(f"cgroup_{call}_unix")
    def a_path(steps: Steps) -> None:
        check_path(steps, counting(f"{call}_unix", gives), work, "done" if gives else "refused")


for _call in PATHS:
    _declare_path(_call)
