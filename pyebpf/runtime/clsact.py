"""Programs as filters of traffic control: what there was before ``bpf_link`` reached it (tcx).

A device gets the queueing discipline ``clsact``, which queues nothing and has two lists of filters,
for what comes in and for what goes out; a program is a filter that decides itself
(``direct-action``).

Source: ``include/uapi/linux/pkt_sched.h`` and ``pkt_cls.h``; ``net/sched/sch_ingress.c`` and
``cls_bpf.c``.
"""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress

from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.plain import Frozen
from pyebpf.runtime import netlink

#: ``TC_H_CLSACT``, and below it the lists of filters.
_CLSACT, _HANDLE = 0xFFFFFFF1, 0xFFFF0000
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_ALL_PROTOCOLS = socket.htons(3)  # ETH_P_ALL
#: Where the kernel begins when it chooses itself (``tcf_auto_prio``).
_FIRST_PRIORITY, _LAST_PRIORITY = 0xC000, 0xFFFF
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS = 6, 7, 8
_DIRECT_ACTION = 1

#: The disciplines that this process made, by network namespace and device: they go with the last
#: filter, whichever link that is of.
_made: set[tuple[int, int]] = set()


class Filter(Frozen):
    """A program at a device of a network namespace: all that is needed to take it off."""

    namespace: int
    device: int
    parent: int
    priority: int


def add_filter(fd: int, device: int, parent: int, prog_fd: int) -> Filter:
    """Put a program behind the filters that are at a device.

    Args:
        fd: of ``netlink.open_route``.
        device: its index.
        parent: ``INGRESS`` or ``EGRESS``.
        prog_fd: the program.

    Raises:
        AttachError: the device has a discipline that leaves no room for this.
        NotSupportedError: the kernel has no ``clsact`` or no filters that are programs.
        KernelError: the kernel refused something else.

    Since:  4.5.
    """
    namespace = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116 - quick to import
    _need_discipline(fd, namespace, device)
    try:
        last = max(_priorities(fd, device, parent), default=_FIRST_PRIORITY - 1)
        place = Filter(namespace, device, parent, min(last + 1, _LAST_PRIORITY))
        options = netlink.nested(
            netlink.TCA_OPTIONS,
            netlink.attribute(_TCA_BPF_FD, netlink.word(prog_fd)),
            netlink.attribute(_TCA_BPF_NAME, b"pyebpf\0"),
            netlink.attribute(_TCA_BPF_FLAGS, netlink.word(_DIRECT_ACTION)),
        )
        _change(
            fd, netlink.RTM_NEWTFILTER, _filter_message(place) + options,
            "attaching to traffic control", netlink.NLM_F_CREATE | netlink.NLM_F_EXCL,
        )  # fmt: skip
    except BaseException:
        _drop_discipline(fd, namespace, device)
        raise
    return place


def remove_filter(fd: int, place: Filter) -> None:
    """Take a program off, and the discipline if it is ours and nothing is left in it."""
    with suppress(KernelError):  # the device is gone, or somebody took the filter off
        netlink.request(fd, netlink.RTM_DELTFILTER, _filter_message(place), "detaching")
    _drop_discipline(fd, place.namespace, place.device)


def _filter_message(place: Filter) -> bytes:
    info = place.priority << 16 | _ALL_PROTOCOLS
    fixed = netlink.TRAFFIC.pack(socket.AF_UNSPEC, place.device, 1, place.parent, info)
    return fixed + netlink.attribute(netlink.TCA_KIND, b"bpf\0")


def _discipline(device: int) -> bytes:
    fixed = netlink.TRAFFIC.pack(socket.AF_UNSPEC, device, _HANDLE, _CLSACT, 0)
    return fixed + netlink.attribute(netlink.TCA_KIND, b"clsact\0")


def _need_discipline(fd: int, namespace: int, device: int) -> None:
    try:
        flags = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
        _change(fd, netlink.RTM_NEWQDISC, _discipline(device), "making a clsact discipline", flags)
        _made.add((namespace, device))
    except KernelError as error:
        if error.errno != errno.EEXIST:
            raise
        there = _kind_there(fd, device)
        if there != b"clsact":
            # `ingress` has one list, where a filter for outgoing packets would see incoming ones.
            raise AttachError(
                f"the device has the discipline {there.decode()!r} where this needs 'clsact': "
                f"`tc qdisc del dev … {there.decode()}` makes room"
            ) from None


def _kind_there(fd: int, device: int) -> bytes:
    body = netlink.TRAFFIC.pack(socket.AF_UNSPEC, device, 0, 0, 0)
    for message in netlink.dump(fd, netlink.RTM_GETQDISC, body, "listing disciplines"):
        _, index, handle, _, _ = netlink.TRAFFIC.unpack_from(message)
        if index == device and handle == _HANDLE:
            found = netlink.attributes(message[netlink.TRAFFIC.size :])
            return found.get(netlink.TCA_KIND, b"").rstrip(b"\0")
    return b"clsact"  # it went away meanwhile; the filter will be refused


def _drop_discipline(fd: int, namespace: int, device: int) -> None:
    if (namespace, device) not in _made:
        return
    with suppress(KernelError):  # the device is gone, and the discipline with it
        if any(_priorities(fd, device, parent) for parent in (INGRESS, EGRESS)):
            return
        netlink.request(fd, netlink.RTM_DELQDISC, _discipline(device), "removing clsact")
    _made.discard((namespace, device))


def _priorities(fd: int, device: int, parent: int) -> list[int]:
    """Return the priority of each filter in a list."""
    body = netlink.TRAFFIC.pack(socket.AF_UNSPEC, device, 0, parent, 0)
    found = netlink.dump(fd, netlink.RTM_GETTFILTER, body, "listing filters")
    return [netlink.TRAFFIC.unpack_from(message)[4] >> 16 for message in found]


def _change(fd: int, kind: int, body: bytes, tried: str, flags: int) -> None:
    try:
        netlink.request(fd, kind, body, tried, flags)
    except KernelError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP):
            raise
        raise NotSupportedError(
            "attaching to traffic control without links (tcx, Linux 6.6) needs clsact, and filters "
            f"that are programs (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF): {error}",
            feature="tcx",
            since="6.6",
        ) from None
