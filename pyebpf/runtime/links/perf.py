"""Attaching through perf events: classic tracepoints, and events that count."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.attr import PERF_ATTR_FREQ, perf_event_attr
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.host.cpus import online
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link, Links

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pyebpf.runtime.links.base import Request

_ALL_PROCESSES = -1
#: A tracepoint event runs its program on every CPU, wherever the event itself is.
_ANY_CPU = 0
#: The event follows its process.
_EVERY_CPU = -1


def attach_tracepoint(request: Request) -> Link:
    """Attach to ``category/name``.

    Since:  4.7; through a ``bpf_link``, with a cookie, 5.15 (feature ``perf_link``).
    """
    category, _, name = request.hook.replace("/", ":").partition(":")
    if not category or not name:
        raise AttachError(
            f"{request.hook!r} is no tracepoint: write category:name, as in 'sched:sched_switch'; "
            f"{request.tracefs.nearest(request.hook)}",
            target=request.hook,
        )
    number = request.tracefs.event_id(category, name)
    attr = perf_event_attr(c.PERF_TYPE_TRACEPOINT, number, sample_period=1)
    event = syscall.perf_event_open(attr, _ALL_PROCESSES, _ANY_CPU)
    return link_perf_event(event, request, f"{category}:{name}")


_HARDWARE = {
    "cpu-cycles": c.PERF_COUNT_HW_CPU_CYCLES,
    "cycles": c.PERF_COUNT_HW_CPU_CYCLES,
    "instructions": c.PERF_COUNT_HW_INSTRUCTIONS,
    "cache-references": c.PERF_COUNT_HW_CACHE_REFERENCES,
    "cache-misses": c.PERF_COUNT_HW_CACHE_MISSES,
    "branch-instructions": c.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branches": c.PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
    "branch-misses": c.PERF_COUNT_HW_BRANCH_MISSES,
    "bus-cycles": c.PERF_COUNT_HW_BUS_CYCLES,
    "ref-cycles": c.PERF_COUNT_HW_REF_CPU_CYCLES,
}
_SOFTWARE = {
    "cpu-clock": c.PERF_COUNT_SW_CPU_CLOCK,
    "task-clock": c.PERF_COUNT_SW_TASK_CLOCK,
    "page-faults": c.PERF_COUNT_SW_PAGE_FAULTS,
    "faults": c.PERF_COUNT_SW_PAGE_FAULTS,
    "context-switches": c.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cs": c.PERF_COUNT_SW_CONTEXT_SWITCHES,
    "cpu-migrations": c.PERF_COUNT_SW_CPU_MIGRATIONS,
    "minor-faults": c.PERF_COUNT_SW_PAGE_FAULTS_MIN,
    "major-faults": c.PERF_COUNT_SW_PAGE_FAULTS_MAJ,
    "alignment-faults": c.PERF_COUNT_SW_ALIGNMENT_FAULTS,
    "emulation-faults": c.PERF_COUNT_SW_EMULATION_FAULTS,
}


def attach_perf_event(request: Request) -> Link:
    """Attach to the event ``at["event"]``, on every CPU or where ``at`` says.

    Since:  4.9.
    """
    at, links = request.at, list[Link]()
    cpus = [at["cpu"]] if "cpu" in at else [_EVERY_CPU] if "pid" in at else online()
    try:
        for cpu in cpus:
            event = _counting_event(at, at.get("pid", _ALL_PROCESSES), cpu)
            links.append(link_perf_event(event, request, str(at["event"])))
    except BaseException:
        for link in links:
            link.close()
        raise
    return links[0] if len(links) == 1 else Links(links, str(at["event"]))


def _counting_event(at: Mapping[str, Any], pid: int, cpu: int) -> int:
    name, flags = str(at["event"]), 0
    if name in _SOFTWARE:
        kind, config = c.PERF_TYPE_SOFTWARE, _SOFTWARE[name]
    elif name in _HARDWARE:
        kind, config = c.PERF_TYPE_HARDWARE, _HARDWARE[name]
    else:
        known = ", ".join((*_SOFTWARE, *_HARDWARE))
        raise AttachError(f"there is no perf event {name!r}; there are {known}", target=name)
    if "freq_hz" in at:
        flags |= PERF_ATTR_FREQ
    period = int(at.get("freq_hz") or at["period"])
    attr = perf_event_attr(kind, config, sample_period=period, flags=flags)
    return syscall.perf_event_open(attr, pid, cpu)


def link_perf_event(event: int, request: Request, hook: str) -> Link:
    """Attach to an open perf event, which the link then owns; it is closed on failure."""
    try:
        if request.features is None or request.features.has("perf_link"):
            fd = _create_link(event, request)
            if fd is not None:
                return Link(fd, hook, also=(event,))
        return _set_bpf(event, request, hook)
    except BaseException:
        os.close(event)
        raise


def _create_link(event: int, request: Request) -> int | None:
    """Return a ``bpf_link``; None if this kernel has none for perf events."""
    try:
        return syscall.link_create(request.prog_fd, event, c.BPF_PERF_EVENT, cookie=request.cookie)
    except KernelError as error:
        # Before Linux commit b89fbfbb854c ("bpf: Implement minimal BPF perf link") (in v5.15).
        if error.errno == errno.EINVAL and request.features is None:
            return None
        raise


def _set_bpf(event: int, request: Request, hook: str) -> Link:
    if request.cookie:
        raise NotSupportedError(
            f"attaching to {hook} with a cookie needs a link to a perf event (Linux 5.15)",
            feature="perf_link",
            since="5.15",
        )
    syscall.ioctl(event, c.PERF_EVENT_IOC_SET_BPF, request.prog_fd)
    syscall.ioctl(event, c.PERF_EVENT_IOC_ENABLE)
    return Link(event, hook, is_bpf_link=False)
