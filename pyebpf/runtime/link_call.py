"""Links, pins, ids, statistics and perf events. Part of :mod:`pyebpf.runtime.syscall`."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import capability
from pyebpf.abi import constants as c
from pyebpf.abi.names import attach_type_name
from pyebpf.runtime import call, tape
from pyebpf.runtime.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEXT = {
    "prog": c.BPF_PROG_GET_NEXT_ID,
    "map": c.BPF_MAP_GET_NEXT_ID,
    "btf": c.BPF_BTF_GET_NEXT_ID,
    "link": c.BPF_LINK_GET_NEXT_ID,
}
_BY_ID = {
    "prog": c.BPF_PROG_GET_FD_BY_ID,
    "map": c.BPF_MAP_GET_FD_BY_ID,
    "btf": c.BPF_BTF_GET_FD_BY_ID,
    "link": c.BPF_LINK_GET_FD_BY_ID,
}


def raw_tracepoint_open(name: str | None, prog_fd: int, cookie: int = 0) -> int:
    """Attach to the raw tracepoint ``name``, or (None) to what a BTF program was loaded for.

    Since:  4.17; a ``cookie`` 6.10.
    """
    text = name.encode() + b"\0" if name else b""
    attr = layout.RAW_TRACEPOINT.pack(call.address_of(text) if text else 0, prog_fd, cookie)
    return _checked(
        c.BPF_RAW_TRACEPOINT_OPEN,
        attr if cookie else attr[:16],
        f"attaching to the raw tracepoint {name!r}"
        if name
        else "attaching to the program's target",
        hint=f"there is no raw tracepoint {name!r}" if name else "",
        hint_for=errno.ENOENT,
    )


def link_create(
    prog_fd: int,
    target_fd: int,
    attach_type: int,
    *,
    cookie: int = 0,
    flags: int = 0,
    detail: bytes = b"",
) -> int:
    """Attach a program through a link; return its descriptor.

    Args:
        prog_fd: the program (or the map, for ``struct_ops``).
        target_fd: what to attach to: a perf event, a cgroup, a network interface's index; 0 if the
            program was loaded for its target.
        attach_type: ``BPF_*`` of ``enum bpf_attach_type``.
        cookie: what ``bpf_get_attach_cookie`` returns, for perf events and BTF programs.
        flags: depends on the attach type.
        detail: for every other kind, the part of ``bpf_attr.link_create`` after ``flags``.

    Since:  5.7; perf events 5.15.
    """
    if cookie and not detail:
        perf = attach_type == c.BPF_PERF_EVENT
        detail = (
            layout.LINK_CREATE_PERF.pack(cookie)
            if perf
            else layout.LINK_CREATE_TRACING.pack(0, cookie)
        )
    return _checked(
        c.BPF_LINK_CREATE,
        layout.LINK_CREATE.pack(prog_fd, target_fd, attach_type, flags) + detail,
        f"creating a link ({attach_type_name(attach_type)})",
        needs=capability.for_link(attach_type),
    )


def link_update(fd: int, prog_fd: int, *, old_prog_fd: int = 0, flags: int = 0) -> None:
    """Let the link at ``fd`` run another program.

    Args:
        fd: the link.
        prog_fd: the new program.
        old_prog_fd: with ``BPF_F_REPLACE`` (4) in ``flags``: only if this is the present one.
        flags: ``BPF_F_REPLACE`` or 0.

    Since:  5.7.
    """
    attr = layout.LINK_UPDATE.pack(fd, prog_fd, flags, old_prog_fd)
    _checked(
        c.BPF_LINK_UPDATE, attr, f"updating the link at descriptor {fd}",
        hint="this kind of link cannot change its program", hint_for=errno.EINVAL,
    )  # fmt: skip


def link_detach(fd: int) -> None:
    """Detach the link at ``fd``, whoever else holds it. Since 5.9."""
    _checked(
        c.BPF_LINK_DETACH, layout.ONE_WORD.pack(fd), f"detaching the link at descriptor {fd}",
        hint="this kind of link ends when its last descriptor is closed", hint_for=errno.EOPNOTSUPP,
    )  # fmt: skip


def iter_create(link_fd: int) -> int:
    """Return a descriptor that runs the iterator attached by ``link_fd`` when read. Since 5.8."""
    return _checked(c.BPF_ITER_CREATE, layout.TWO_WORDS.pack(link_fd, 0), "creating an iterator")


def prog_attach(target_fd: int, prog_fd: int, attach_type: int, flags: int = 0) -> None:
    """Attach without a link, which outlives this process until :func:`prog_detach`."""
    attr = layout.PROG_ATTACH.pack(target_fd, prog_fd, attach_type, flags, 0)
    _checked(
        c.BPF_PROG_ATTACH,
        attr,
        f"attaching ({attach_type_name(attach_type)})",
        needs=capability.for_link(attach_type),
    )


def prog_detach(target_fd: int, prog_fd: int, attach_type: int) -> None:
    """Undo :func:`prog_attach`."""
    attr = layout.PROG_ATTACH.pack(target_fd, prog_fd, attach_type, 0, 0)
    _checked(c.BPF_PROG_DETACH, attr, f"detaching ({attach_type_name(attach_type)})")


def prog_bind_map(prog_fd: int, map_fd: int) -> None:
    """Keep a map alive as long as a program, though no instruction uses it. Since 5.10."""
    _checked(c.BPF_PROG_BIND_MAP, layout.THREE_WORDS.pack(prog_fd, map_fd, 0), "binding a map")


def obj_pin(fd: int, path: str, flags: int = 0) -> None:
    """Give the object at ``fd`` a name in a BPF file system, where it outlives this process.

    ``runtime.bpffs`` knows what a refusal means.
    """
    text = os.fsencode(path) + b"\0"
    attr = layout.OBJ_PATH.pack(call.address_of(text), fd, flags)
    _checked(c.BPF_OBJ_PIN, attr, f"pinning to {path!r}")


def obj_get(path: str, flags: int = 0) -> int:
    """Return a descriptor of the object pinned at ``path``."""
    text = os.fsencode(path) + b"\0"
    attr = layout.OBJ_PATH.pack(call.address_of(text), 0, flags)
    return _checked(c.BPF_OBJ_GET, attr, f"opening the pinned object {path!r}")


def next_id(kind: str, after: int = 0) -> int | None:
    """Return the next id after ``after`` of a ``"prog"``, ``"map"``, ``"btf"`` or ``"link"``."""
    attr = bytearray(layout.THREE_WORDS.pack(after, 0, 0))
    result = call.bpf(_NEXT[kind], attr)
    if result == -errno.ENOENT:
        return None
    if result < 0:
        raise refusal(-result, f"listing {kind} ids", needs=("CAP_SYS_ADMIN",))
    ident: int = layout.THREE_WORDS.unpack(attr)[1]
    return ident


def ids(kind: str) -> Iterator[int]:
    """Yield every id of a kind that exists now."""
    ident = next_id(kind)
    while ident is not None:
        yield ident
        ident = next_id(kind, ident)


def fd_by_id(kind: str, ident: int) -> int:
    """Return a descriptor of the object with an id; ``ENOENT`` if it is gone."""
    return _checked(
        _BY_ID[kind], layout.THREE_WORDS.pack(ident, 0, 0), f"opening the {kind} with id {ident}"
    )


def enable_stats(kind: int = c.BPF_STATS_RUN_TIME) -> int:
    """Count and time every program run while the returned descriptor is open. Since 5.8.

    Cost: two clock reads for each run of every BPF program on the machine.
    """
    return _checked(c.BPF_ENABLE_STATS, layout.ONE_WORD.pack(kind), "switching statistics on")


def perf_event_open(
    attr: bytes,
    pid: int,
    cpu: int,
    group_fd: int = -1,
    flags: int = c.PERF_FLAG_FD_CLOEXEC,
    text: bytes = b"",
) -> int:
    """Open a perf event; return its descriptor.

    Args:
        attr: :func:`pyebpf.abi.attr.perf_event_attr`.
        pid: a thread, 0 for this one, -1 for all.
        cpu: a CPU, -1 for all.
        group_fd: the leader of a group, or -1.
        flags: ``PERF_FLAG_*``.
        text: what ``config1`` points to, if to anything.
    """
    result = tape.perf_event_open(attr, text, pid, cpu, group_fd, flags)
    if result < 0:
        kind, _, config = layout.PERF_EVENT_ATTR.unpack(attr)[:3]
        raise refusal(
            -result,
            f"opening a perf event (type {kind}, config {config:#x}, pid {pid}, cpu {cpu})",
            needs=("CAP_PERFMON",),
            hint=_PERF_HINTS.get(-result, ""),
            denials=(errno.EPERM, errno.EACCES),
            # For uprobes, or for all events (kernel.perf_event_paranoid above 2), in some kernels.
            beyond="CAP_SYS_ADMIN",
        )
    return result


_PERF_HINTS = {
    errno.ENOENT: "this machine has no such event",
    errno.ENODEV: "the CPU is offline or has no such counter",
    errno.ESRCH: "there is no such process",
    errno.EMFILE: "too many open files: raise ulimit -n",
}


def ioctl(fd: int, request: int, argument: int = 0) -> int:
    """Call ``ioctl(2)``; ``argument`` is a number or an address."""
    result = tape.ioctl(fd, request, argument)
    if result < 0:
        raise refusal(-result, f"ioctl {request:#x} on descriptor {fd}", needs=("CAP_PERFMON",))
    return result


def _checked(
    cmd: int,
    attr: bytes,
    tried: str,
    *,
    hint: str = "",
    hint_for: int = 0,
    needs: tuple[str, ...] = (),
) -> int:
    result = tape.bpf(cmd, attr)
    if result < 0:
        raise refusal(
            -result,
            tried,
            needs=needs or capability.for_command(cmd),
            hint=hint if -result == hint_for else "",
        )
    return result
