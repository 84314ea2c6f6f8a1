"""Attaching through perf events: what all strategies share, and classic tracepoints."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.attr import perf_event_attr
from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

_ALL_PROCESSES = -1
#: A tracepoint event runs its program on every CPU, wherever the event itself is.
_ANY_CPU = 0


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


def link_perf_event(event: int, request: Request, hook: str, *, by_link: bool = True) -> Link:
    """Attach to an open perf event, which the link then owns; it is closed on failure.

    Args:
        event: its descriptor.
        request: what to attach.
        hook: where the event counts, for messages.
        by_link: through a ``bpf_link``, if the kernel has such.
    """
    try:
        if by_link and request.has("perf_link"):
            fd = syscall.link_create(
                request.prog_fd, event, c.BPF_PERF_EVENT, cookie=request.cookie
            )
            return Link(fd, hook, also=(event,))
        return _set_bpf(event, request, hook)
    except KernelError as error:
        os.close(event)
        if error.errno != errno.EEXIST:
            raise
        # A tracepoint has its programs in one list for all, each once.
        raise AttachError(f"this program is at {hook!r} already", target=hook) from None
    except BaseException:
        os.close(event)
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
