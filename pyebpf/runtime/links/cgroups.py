"""Attaching to cgroups, by links or as it was before them."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.errors import AttachError, KernelError
from pyebpf.runtime import syscall
from pyebpf.runtime.links.base import Link, Unlinked, way_of

if TYPE_CHECKING:
    from pyebpf.runtime.links.base import Request

_WAYS = {"ingress": c.BPF_CGROUP_INET_INGRESS, "egress": c.BPF_CGROUP_INET_EGRESS}
_CGROUPS = "/sys/fs/cgroup"
#: Beside others, as links do: ``include/uapi/linux/bpf.h``.
_BPF_F_ALLOW_MULTI = 1 << 1


def attach_cgroup(request: Request) -> Link:
    """Attach to the cgroup whose directory is ``at["cgroup"]``, and to those below it.

    Since:  4.15, beside other programs; through a link 5.7 (feature ``cgroup_link``).
    """
    path, any_way = str(request.at["cgroup"]), request.kind.name == "cgroup_skb"
    # The number of those that come in is 0, so it does not tell whether there is one.
    kind = way_of(request, _WAYS, None if any_way else request.kind.attach_type)
    directory = open_cgroup(path)
    try:
        if not request.has("cgroup_link"):
            syscall.prog_attach(directory, request.prog_fd, kind, _BPF_F_ALLOW_MULTI)
            return CgroupLink(directory, path, request.prog_fd, kind)
        return Link(syscall.link_create(request.prog_fd, directory, kind), path)
    except KernelError as error:
        if error.errno == errno.EBADF:
            raise no_cgroup(path) from None
        if error.errno == errno.EPERM and not error.capability:
            raise AttachError(
                f"the kernel lets no program be attached to {path!r}: one that stands alone is "
                f"there or above (`bpftool cgroup tree` shows it), or {error}",
                target=path,
            ) from None
        raise
    finally:
        os.close(directory)


def open_cgroup(path: str) -> int:
    """Return a descriptor of a cgroup's directory.

    Raises:
        AttachError: there is no directory.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise no_cgroup(path, f" ({error.strerror})") from None


def no_cgroup(path: str, why: str = "") -> AttachError:
    """Return the error for a path that is no cgroup."""
    text = f"{path!r} is no cgroup{why}; they are directories in {_CGROUPS} (cgroup2)"
    return AttachError(text, target=path)


class CgroupLink(Link):
    """A program at a cgroup without a ``bpf_link``, until this is closed."""

    unlinked = Unlinked("this kernel puts programs at cgroups without a link", "5.7")

    def __init__(self, directory: int, path: str, prog_fd: int, kind: int) -> None:
        # Descriptors of our own: detaching names the cgroup and the program.
        self._program, self._kind = os.dup(prog_fd), kind
        super().__init__(os.dup(directory), path, is_bpf_link=False, also=(self._program,))

    def _undo(self) -> None:
        """Take the program off the cgroup."""
        with suppress(KernelError):  # the cgroup was removed, and the program with it
            syscall.prog_detach(self.fd, self._program, self._kind)
