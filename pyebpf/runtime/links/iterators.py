"""Iterators: programs that visit everything of a kind, when they are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link
from pyebpf.runtime.links.cgroups import open_cgroup

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

#: ``enum bpf_cgroup_iter_order`` of ``include/uapi/linux/bpf.h``.
_ORDERS = {"self": 1, "descendants": 2, "descendants_first": 3, "ancestors": 4}


class IterLink(Link):
    """An iterator: each :meth:`read` visits everything once more."""

    def read(self) -> bytes:
        """Visit everything, and return what the program wrote."""
        fd = syscall.iter_create(self.fd)
        try:
            out = []
            while piece := os.read(fd, 1 << 16):
                out.append(piece)
            return b"".join(out)
        finally:
            os.close(fd)


def attach_iter(request: Request) -> Link:
    """Make the iterator that a program was loaded for.

    What it visits, if not everything: the entries of the map at the descriptor ``at["map"]``, the
    cgroup ``at["cgroup"]`` and those around it as ``at["order"]`` says, the threads of the process
    ``at["pid"]``.

    Since:  5.8; the entries of maps 5.9, cgroups and single processes 6.1.
    """
    at, group = request.at, -1
    try:
        info = b""
        if "map" in at:
            info = layout.ITER_MAP.pack(_descriptor(at["map"]))
        elif "cgroup" in at:
            group = open_cgroup(str(at["cgroup"]))
            info = layout.ITER_CGROUP.pack(_order(at.get("order", "descendants")), group, 0)
        elif "pid" in at:
            info = layout.ITER_TASK.pack(0, _process(at["pid"]), 0)
        detail = layout.LINK_CREATE_ITER.pack(syscall.address_of(info), len(info)) if info else b""
        fd = syscall.link_create(request.prog_fd, 0, c.BPF_TRACE_ITER, detail=detail)
        return IterLink(fd, request.hook)
    finally:
        if group >= 0:
            os.close(group)


def _descriptor(given: object) -> int:
    if not isinstance(given, int):
        raise AttachError(f"visit the entries of a map that a probe uses, not of {given!r}")
    return given


def _process(pid: int) -> int:
    if not 0 <= pid < 1 << 31:
        raise AttachError(f"there is no process {pid}")
    return pid


def _order(word: str) -> int:
    if word not in _ORDERS:
        raise AttachError(f"there is no order {word!r}: write one of {', '.join(_ORDERS)}")
    return _ORDERS[word]
