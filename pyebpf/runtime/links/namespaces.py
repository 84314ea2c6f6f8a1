"""Attaching to network namespaces: choosing sockets, dissecting packets, netfilter."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, KernelError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

#: ``NFPROTO_*`` and ``NF_INET_*`` of ``include/uapi/linux/netfilter.h``.
_FAMILIES = {"ipv4": 2, "ipv6": 10}
_HOOKS = {"pre_routing": 0, "local_in": 1, "forward": 2, "local_out": 3, "post_routing": 4}
#: ``BPF_F_NETFILTER_IP_DEFRAG`` of ``include/uapi/linux/bpf.h``.
_DEFRAGMENT = 1


def attach_netns(request: Request) -> Link:
    """Attach to the network namespace at ``at["netns"]``.

    Since:  5.9; flow dissectors 5.8.
    """
    path = str(request.at["netns"])
    if not Path(path).exists():
        raise AttachError(f"there is no network namespace at {path!r}", target=path)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Link(syscall.link_create(request.prog_fd, fd, request.kind.attach_type), path)
    except KernelError as error:
        if error.errno not in (errno.EEXIST, errno.E2BIG):
            raise
        why = f"another program of the kind {request.kind.name!r} is in the namespace {path!r}"
        raise AttachError(why, target=path) from None
    finally:
        os.close(fd)


def attach_netfilter(request: Request) -> Link:
    """Attach to a netfilter hook of this process's network namespace, as ``at`` says.

    ``netfilter`` is the hook, ``family`` the protocol (``"ipv4"`` by default), ``priority`` the
    place among what else stands there, lower first; with ``defrag`` packets arrive whole.

    Since:  6.4.
    """
    hook = _one_of("netfilter", request.at["netfilter"], _HOOKS)
    family = _one_of("family", request.at.get("family", "ipv4"), _FAMILIES)
    priority = int(request.at.get("priority", 0))
    flags = _DEFRAGMENT if request.at.get("defrag") else 0
    detail = layout.LINK_CREATE_NETFILTER.pack(family, hook, priority, flags)
    name = f"netfilter {request.at['netfilter']}"
    try:
        fd = syscall.link_create(request.prog_fd, 0, c.BPF_NETFILTER, detail=detail)
    except KernelError as error:
        if error.errno != errno.EBUSY:
            raise
        why = f"something else has the priority {priority} at {name}: priority= says another"
        raise AttachError(why, target=name) from None
    return Link(fd, name)


def _one_of(what: str, word: object, known: dict[str, int]) -> int:
    if word not in known:
        raise AttachError(f"there is no {what}={word!r}: write one of {', '.join(known)}")
    return known[str(word)]
