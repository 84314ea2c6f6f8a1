"""Attaching to perf events that count: by CPU, thread or cgroup."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.host.cpus import online
from pyebpf.plain import Frozen
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link, together
from pyebpf.runtime.links.cgroups import no_cgroup, open_cgroup
from pyebpf.runtime.links.perf import link_perf_event
from pyebpf.runtime.perf_names import PerfEvent, find_event

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyebpf.errors import PyebpfError
    from pyebpf.runtime.links.base import Request

_EVERYBODY = -1
#: The event follows its thread.
_EVERY_CPU = -1
_RATE = "/proc/sys/kernel/perf_event_max_sample_rate"
_HARDWARE = (c.PERF_TYPE_HARDWARE, c.PERF_TYPE_HW_CACHE, c.PERF_TYPE_RAW)


class _Where(Frozen):
    """Where an event counts: a thread, a cgroup (by its descriptor) or everybody; on which CPU."""

    who: int
    cpu: int
    flags: int = c.PERF_FLAG_FD_CLOEXEC


def attach_perf_event(request: Request) -> Link:
    """Attach to the event ``at["event"]``.

    It counts on every CPU, or on ``at["cpu"]``; for everybody, or for the threads of the process
    ``at["pid"]`` (with ``at["inherit"]`` for its children too), or for the cgroup ``at["cgroup"]``.

    Since:  4.9.
    """
    at, name = request.at, str(request.at["event"])
    event = find_event(name)
    group = open_cgroup(str(at["cgroup"])) if "cgroup" in at else -1
    try:
        link = together(_each(request, event, group), name)
    finally:
        if group >= 0:
            os.close(group)
    if link is None:
        raise AttachError(f"there is no process {at.get('pid')}", target=name)
    return link


def _each(request: Request, event: PerfEvent, group: int) -> Iterator[Link]:
    attr = _attributes(event, request)
    for where in _places(request.at, event, group):
        opened = _open(attr, where, event, request.at)
        if opened is not None:
            yield link_perf_event(opened, request, str(request.at["event"]))


def _attributes(event: PerfEvent, request: Request) -> bytes:
    at, flags = request.at, event.flags
    if "freq_hz" in at:
        flags |= layout.PERF_ATTR_FREQ
    if at.get("inherit"):
        flags |= layout.PERF_ATTR_INHERIT
    elif "pid" in at and request.has("perf_inherit_thread"):
        flags |= layout.PERF_ATTR_INHERIT | layout.PERF_ATTR_INHERIT_THREAD
    config, config1, config2 = event.words
    return layout.perf_event_attr(
        event.kind, config, sample_period=_how_often(at), flags=flags,
        config1=config1, config2=config2, breakpoint_access=event.access,
    )  # fmt: skip


def _how_often(at: Mapping[str, Any]) -> int:
    """Return the frequency or the period; with 0 the kernel would count and never run a program."""
    word = "freq_hz" if "freq_hz" in at else "period"
    number = int(at[word])
    if not 0 < number < 1 << 63 or number != at[word]:
        raise AttachError(f"{word}={at[word]!r}: it takes a whole number above 0")
    return number


def _places(at: Mapping[str, Any], event: PerfEvent, group: int) -> Iterator[_Where]:
    here = online()
    if "cpu" in at and at["cpu"] not in here:
        known = ", ".join(map(str, here))
        raise AttachError(f"CPU {at['cpu']} is not online; online are {known}")
    if "pid" in at:
        for thread in _threads(int(at["pid"])):
            yield _Where(thread, at.get("cpu", _EVERY_CPU))
        return
    for cpu in (at["cpu"],) if "cpu" in at else event.cpus or here:
        if group >= 0:
            yield _Where(group, cpu, c.PERF_FLAG_FD_CLOEXEC | c.PERF_FLAG_PID_CGROUP)
        else:
            yield _Where(_EVERYBODY, cpu)


def _threads(pid: int) -> list[int]:
    """Return the threads that a process has now; those begun later inherit its events."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    return []


def _open(attr: bytes, where: _Where, event: PerfEvent, at: Mapping[str, Any]) -> int | None:
    """Open an event; None if its thread has ended, or its CPU has gone, since they were listed."""
    try:
        return syscall.perf_event_open(attr, where.who, where.cpu, flags=where.flags)
    except KernelError as error:
        if "pid" in at and error.errno == errno.ESRCH:
            return None
        if error.errno == errno.ENODEV and where.cpu >= 0 and where.cpu not in online():
            return None
        raise _refused(error, event, at) from None


def _refused(error: KernelError, event: PerfEvent, at: Mapping[str, Any]) -> PyebpfError:
    """Say what a refusal means; those for a lack of rights stay as they are."""
    name, number = str(at["event"]), error.errno
    if number == errno.EINVAL and at.get("freq_hz", 0) > _most_samples():
        return AttachError(
            f"freq_hz={at['freq_hz']}: this kernel samples {_most_samples()} times in a second at "
            f"most ({_RATE})",
            target=name,
        )
    if "cgroup" in at and event.kind not in _HARDWARE and number in _NO_CGROUP:
        return _refused_cgroup(number, str(at["cgroup"]))
    if number in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP) and event.kind in _HARDWARE:
        return NotSupportedError(
            f"this machine cannot count {name!r}: it has no counters in hardware, or none for this "
            "(virtual machines seldom have any); 'cpu-clock' samples by time everywhere",
            feature="perf_hardware",
        )
    if number == errno.ENOSPC and event.kind == c.PERF_TYPE_BREAKPOINT:
        why = f"no breakpoint is left for {name!r}: a CPU has few, and all are in use"
        return AttachError(why, target=name)
    if number in (errno.EINVAL, errno.EOPNOTSUPP) and event.kind > c.PERF_TYPE_BREAKPOINT:
        return NotSupportedError(
            f"{name!r} can be read, but runs no program: its source does not interrupt when it has "
            "counted so many"
        )
    return error


_NO_CGROUP = (errno.EBADF, errno.EINVAL, errno.ENOENT)


def _refused_cgroup(number: int, path: str) -> AttachError:
    if number != errno.ENOENT:
        return no_cgroup(path, " that perf events can be for (CONFIG_CGROUP_PERF)")
    return AttachError(
        f"perf events know nothing of the cgroup {path!r}: on a hierarchy where no controller was "
        "ever enabled they are not there yet; `echo +pids > …/cgroup.subtree_control` in its root "
        "brings them",
        target=path,
    )


def _most_samples() -> int:
    with open(_RATE, encoding="ascii") as file:  # noqa: PTH123 - quick to import
        return int(file.read())
