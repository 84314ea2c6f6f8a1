"""Attaching to network devices: XDP and traffic control, by links or as it was before them."""

from __future__ import annotations

import errno
import os
import socket as sockets
from contextlib import suppress
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, KernelError
from pyebpf.runtime import clsact, netlink, syscall
from pyebpf.runtime.links.base import Link, Unlinked, way_of

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

_WAYS = {"ingress": c.BPF_TCX_INGRESS, "egress": c.BPF_TCX_EGRESS}
_PARENTS = {c.BPF_TCX_INGRESS: clsact.INGRESS, c.BPF_TCX_EGRESS: clsact.EGRESS}
#: ``XDP_FLAGS_*`` of ``include/uapi/linux/if_link.h``.
_XDP_MODES = {"": 0, "generic": 1 << 1, "native": 1 << 2, "offload": 1 << 3}
_XDP_FLAGS_UPDATE_IF_NOEXIST, _XDP_FLAGS_REPLACE = 1 << 0, 1 << 4


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

    Since:  4.8, through netlink; through a link 5.9 (feature ``xdp_link``).
    """
    mode = str(request.at.get("mode", ""))
    if mode not in _XDP_MODES:
        known = ", ".join(word for word in _XDP_MODES if word)
        raise AttachError(f"there is no XDP mode {mode!r}: write one of {known}")
    device, flags = _device(request), _XDP_MODES[mode]
    try:
        if not request.has("xdp_link"):
            return XdpLink(request, device, flags)
        fd = syscall.link_create(request.prog_fd, device, c.BPF_XDP, flags=flags)
        return Link(fd, str(request.at["device"]))
    except KernelError as error:
        raise _refused_xdp(error, str(request.at["device"]), mode) from None


def _refused_xdp(error: KernelError, name: str, mode: str) -> AttachError | KernelError:
    if error.errno in (errno.EBUSY, errno.EEXIST):
        return AttachError(f"another XDP program is at {name!r} already", target=name)
    if error.errno == errno.EOPNOTSUPP and mode not in ("", "generic"):
        why = f"the driver of {name!r} does not run XDP programs itself (mode={mode!r})"
        return AttachError(f"{why}: mode='generic' lets the kernel run them", target=name)
    return error


class XdpLink(Link):
    """An XDP program at a device, put there through netlink, until this is closed."""

    unlinked = Unlinked("this kernel puts XDP programs at devices without a link", "5.9")

    def __init__(self, request: Request, device: int, mode: int) -> None:
        self._program = os.dup(request.prog_fd)  # ours: the program may be closed first
        route = netlink.open_route()
        super().__init__(route, str(request.at["device"]), is_bpf_link=False, also=(self._program,))
        self._device, self._mode, self._there = device, mode, False
        try:
            netlink.set_xdp(route, device, request.prog_fd, mode | _XDP_FLAGS_UPDATE_IF_NOEXIST)
            self._there = True
        except BaseException:
            self.close()
            raise

    def _undo(self) -> None:
        """Take the program off the device, if it is still this one."""
        if self._there:
            with suppress(KernelError):  # the device is gone, or another program is there now
                self._take_off()

    def _take_off(self) -> None:
        flags = self._mode | _XDP_FLAGS_REPLACE
        try:
            netlink.set_xdp(self.fd, self._device, -1, flags, expected_fd=self._program)
        except KernelError as error:
            # Linux 5.7 can compare; before that it knows no such flag.
            if error.errno != errno.EINVAL:
                raise
            netlink.set_xdp(self.fd, self._device, -1, self._mode)


def attach_tc(request: Request) -> Link:
    """Attach to the device ``at["device"]``, where packets come in or go out, behind what is there.

    Since:  4.5, as a filter; by a link 6.6 (feature ``tcx``).
    """
    kind = way_of(request, _WAYS, request.kind.attach_type or None)
    device, name = _device(request), str(request.at["device"])
    if not request.has("tcx"):
        return FilterLink(request.prog_fd, device, _PARENTS[kind], name)
    # The last word asks for no place among the programs that are there: behind them.
    detail = layout.LINK_CREATE_TRACING.pack(0, 0)
    return Link(syscall.link_create(request.prog_fd, device, kind, detail=detail), name)


class FilterLink(Link):
    """A program as a filter of traffic control, until this is closed."""

    unlinked = Unlinked("it is a filter of traffic control here", "6.6", "tcx")

    def __init__(self, prog_fd: int, device: int, parent: int, name: str) -> None:
        route = netlink.open_route()
        super().__init__(route, name, is_bpf_link=False)
        self._place: clsact.Filter | None = None
        try:
            self._place = clsact.add_filter(route, device, parent, prog_fd)
        except BaseException:
            self.close()
            raise

    def _undo(self) -> None:
        """Take the program off, and what was made for it."""
        if self._place is not None:
            clsact.remove_filter(self.fd, self._place)
