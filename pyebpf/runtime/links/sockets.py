"""Attaching to sockets, and to the sockets in a map."""

from __future__ import annotations

import os
import socket as sockets
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.errors import AttachError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link, Unlinked

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request


class SocketLink(Link):
    """A program at a socket, until this is closed or the socket is."""

    unlinked = Unlinked("a program at a socket is there as long as the socket")

    def __init__(self, owned: sockets.socket, option: int) -> None:
        # A descriptor of our own: the caller may close theirs first.
        super().__init__(os.dup(owned.fileno()), "a socket", is_bpf_link=False)
        self._option = option

    def _undo(self) -> None:
        """Take the program off the socket."""
        if self._option:
            with sockets.socket(fileno=os.dup(self.fd)) as ours:
                ours.setsockopt(sockets.SOL_SOCKET, self._option, 0)


_SO_DETACH_FILTER, _SO_ATTACH_BPF, _SO_ATTACH_REUSEPORT_EBPF = 27, 50, 52
_SO_DETACH_REUSEPORT_BPF = 68


def attach_socket(request: Request) -> Link:
    """Attach to the socket ``at["socket"]``.

    Since:  3.19; to a group that shares a port 4.5.
    """
    given = request.at["socket"]
    if not isinstance(given, sockets.socket):
        raise AttachError(f"attach to a socket.socket, not to {given!r}")
    reuse = request.kind.prog_type == c.BPF_PROG_TYPE_SK_REUSEPORT
    attach, detach = (
        (_SO_ATTACH_REUSEPORT_EBPF, _SO_DETACH_REUSEPORT_BPF)
        if reuse
        else (_SO_ATTACH_BPF, _SO_DETACH_FILTER)
    )
    given.setsockopt(sockets.SOL_SOCKET, attach, request.prog_fd)
    return SocketLink(given, detach)


class SockMapLink(Link):
    """A program at the sockets of a map, until this is closed."""

    unlinked = Unlinked("it is there as long as the map of sockets: pin that instead")

    def __init__(self, map_fd: int, request: Request) -> None:
        # Descriptors of our own: the map and the program may be closed first.
        program = os.dup(request.prog_fd)
        super().__init__(os.dup(map_fd), "the sockets of a map", is_bpf_link=False, also=(program,))
        self._program, self._kind = program, request.kind.attach_type

    def _undo(self) -> None:
        """Take the program off the sockets."""
        syscall.prog_detach(self.fd, self._program, self._kind)


def attach_sockmap(request: Request) -> Link:
    """Attach to the sockets that are, or will be, in the map at the descriptor ``at["sockets"]``.

    Since:  4.14.
    """
    given = request.at["sockets"]
    if not isinstance(given, int):
        raise AttachError(f"attach to a SockMap or a SockHash, not to {given!r}")
    syscall.prog_attach(given, request.prog_fd, request.kind.attach_type)
    return SockMapLink(given, request)
