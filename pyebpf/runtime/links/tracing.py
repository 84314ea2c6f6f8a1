"""Attaching without perf: raw tracepoints by name, and programs loaded for their target."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyebpf.errors import AttachError, KernelError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link

if TYPE_CHECKING:
    from pyebpf.errors import PyebpfError
    from pyebpf.runtime.links.base import Request


def attach_raw_tp(request: Request) -> Link:
    """Attach to a raw tracepoint by its name, without a category.

    Since:  4.17; with a cookie 6.10.
    """
    name = request.hook
    try:
        fd = syscall.raw_tracepoint_open(name, request.prog_fd, request.cookie)
    except KernelError as error:
        if error.errno != errno.ENOENT:
            raise _without_cookies(error, request, "6.10") from None
        raise AttachError(
            f"there is no raw tracepoint {name!r} in this kernel; {_nearest(request)}", target=name
        ) from None
    return Link(fd, name)


def attach_trace(request: Request) -> Link:
    """Attach a BTF program to what it was loaded for.

    Since:  5.5; with a cookie 5.19.
    """
    if not request.cookie:
        return Link(syscall.raw_tracepoint_open(None, request.prog_fd), request.hook)
    kind = request.kind.attach_type
    try:
        fd = syscall.link_create(request.prog_fd, 0, kind, cookie=request.cookie)
    except KernelError as error:
        raise _without_cookies(error, request, "5.19") from None
    return Link(fd, request.hook)


def _without_cookies(error: KernelError, request: Request, since: str) -> PyebpfError:
    """Say what a refusal means: a kernel that does not know a field wants it to be zero."""
    if not request.cookie or error.errno not in (errno.EINVAL, errno.E2BIG):
        return error
    return NotSupportedError(
        f"attaching a {request.kind.name!r} program with a cookie needs Linux {since}: {error}",
        feature="cookie",
        since=since,
    )


def _nearest(request: Request) -> str:
    """Suggest names; a list of tracepoints is more than this program may be allowed to see."""
    try:
        return request.tracefs.nearest(request.hook.rpartition(":")[2])
    except KernelError as error:
        return f"no other name can be suggested: {error}"
