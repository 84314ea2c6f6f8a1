"""Attaching to network devices, cgroups, sockets and network namespaces."""

from __future__ import annotations

import errno
import os
import socket as sockets
from pathlib import Path
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

_WAYS = {"ingress": c.BPF_TCX_INGRESS, "egress": c.BPF_TCX_EGRESS}
#: ``XDP_FLAGS_*`` of ``include/uapi/linux/if_link.h``.
_XDP_MODES = {"": 0, "generic": 1 << 1, "native": 1 << 2, "offload": 1 << 3}
_CGROUPS = "/sys/fs/cgroup"


def _device(request: Request) -> int:
    name = str(request.at["device"])
    try:
        return sockets.if_nametoindex(name)
    except OSError:
        known = ", ".join(other for _, other in sockets.if_nameindex())
        raise AttachError(
            f"there is no network device {name!r} here; there are {known}", target=name
        ) from None


def attach_xdp(request: Request) -> Link:
    """Attach to the device ``at["device"]``, in the mode ``at["mode"]`` if there is one.

    Since:  5.9, through a link.
    """
    mode = str(request.at.get("mode", ""))
    if mode not in _XDP_MODES:
        raise AttachError(f"there is no XDP mode {mode!r}: write one of {', '.join(_XDP_MODES)}")
    name, flags = str(request.at["device"]), _XDP_MODES[mode]
    try:
        fd = syscall.link_create(request.prog_fd, _device(request), c.BPF_XDP, flags=flags)
    except KernelError as error:
        if error.errno != errno.EBUSY:
            raise
        raise AttachError(f"another XDP program is at {name!r} already", target=name) from None
    return Link(fd, name)


def attach_tcx(request: Request) -> Link:
    """Attach to the device ``at["device"]``, where packets come in or go out.

    Since:  6.6.
    """
    kind = request.kind.attach_type or _WAYS.get(str(request.at.get("way", "")), 0)
    if not kind:
        ways = " or ".join(f"way={way!r}" for way in _WAYS)
        raise AttachError(f"say where packets pass the program: {ways}")
    name = str(request.at["device"])
    try:
        # The last word asks for no place among the programs that are there: behind them.
        detail = layout.LINK_CREATE_TRACING.pack(0, 0)
        fd = syscall.link_create(request.prog_fd, _device(request), kind, detail=detail)
    except KernelError as error:
        if error.errno != errno.EINVAL:
            raise
        raise NotSupportedError(
            "attaching to traffic control by a link needs tcx (Linux 6.6)",
            feature="tcx",
            since="6.6",
        ) from None
    return Link(fd, name)


def attach_cgroup(request: Request) -> Link:
    """Attach to the cgroup whose directory is ``at["cgroup"]``, and to those below it.

    Since:  5.7, through a link.
    """
    path, kind = str(request.at["cgroup"]), request.kind.attach_type
    if not kind and request.kind.name == "cgroup_skb":
        way = str(request.at.get("way", ""))
        known = {"ingress": c.BPF_CGROUP_INET_INGRESS, "egress": c.BPF_CGROUP_INET_EGRESS}
        if way not in known:
            raise AttachError("say where packets pass: way='ingress' or way='egress'")
        kind = known[way]
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        why = f"{path!r} is no cgroup ({error.strerror}); they are directories in {_CGROUPS}"
        raise AttachError(why, target=path) from None
    try:
        return Link(syscall.link_create(request.prog_fd, directory, kind), path)
    except KernelError as error:
        if error.errno != errno.EBADF:
            raise
        why = f"{path!r} is no cgroup; they are directories in {_CGROUPS} (cgroup2)"
        raise AttachError(why, target=path) from None
    finally:
        os.close(directory)


class SocketLink(Link):
    """A program at a socket, until this is closed or the socket is."""

    def __init__(self, owned: sockets.socket, option: int) -> None:
        # A descriptor of our own: the caller may close theirs first.
        super().__init__(os.dup(owned.fileno()), "a socket", is_bpf_link=False)
        self._option = option

    def close(self) -> None:
        """Take the program off the socket. Idempotent."""
        if self.fd >= 0 and self._option:
            with sockets.socket(fileno=os.dup(self.fd)) as ours:
                ours.setsockopt(sockets.SOL_SOCKET, self._option, 0)
        super().close()


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

    def __init__(self, map_fd: int, request: Request) -> None:
        # Descriptors of our own: the map and the program may be closed first.
        program = os.dup(request.prog_fd)
        super().__init__(os.dup(map_fd), "the sockets of a map", is_bpf_link=False, also=(program,))
        self._program, self._kind = program, request.kind.attach_type

    def close(self) -> None:
        """Take the program off the sockets. Idempotent."""
        if self.fd >= 0:
            syscall.prog_detach(self.fd, self._program, self._kind)
        super().close()


def attach_sockmap(request: Request) -> Link:
    """Attach to the sockets that are, or will be, in the map at the descriptor ``at["sockets"]``.

    Since:  4.14.
    """
    given = request.at["sockets"]
    if not isinstance(given, int):
        raise AttachError(f"attach to a SockMap or a SockHash, not to {given!r}")
    syscall.prog_attach(given, request.prog_fd, request.kind.attach_type)
    return SockMapLink(given, request)


def attach_netns(request: Request) -> Link:
    """Attach to the network namespace at ``at["netns"]``, by default that of this process.

    Since:  5.9; flow dissectors 5.8.
    """
    path = str(request.at.get("netns") or "/proc/self/ns/net")
    if not Path(path).exists():
        raise AttachError(f"there is no network namespace at {path!r}", target=path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Link(syscall.link_create(request.prog_fd, fd, request.kind.attach_type), path)
    finally:
        os.close(fd)
