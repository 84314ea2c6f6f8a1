"""What was pinned, opened again: without the session that pinned it, and after it has ended."""

from __future__ import annotations

import os
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from pyebpf.abi.constants import BPF_LINK_TYPE_ITER
from pyebpf.abi.names import link_type_name, prog_type_name
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.shared import Global
from pyebpf.dsl.stacks import StackTrace
from pyebpf.errors import AttachError, PinError, PyebpfError
from pyebpf.host.cpus import possible_count
from pyebpf.lazy import lazy
from pyebpf.map_views import open_view
from pyebpf.owner import Owner
from pyebpf.runtime import syscall
from pyebpf.runtime.links import Link, attach
from pyebpf.runtime.map_fd import ONE_SIDED, MapFd, adjusted

if TYPE_CHECKING:
    from pyebpf.runtime import bpffs, maps, pinned_map
    from pyebpf.runtime.links import base, iterators
    from pyebpf.runtime.syscall import ProgInfo
else:
    base = lazy("pyebpf.runtime.links.base")
    bpffs = lazy("pyebpf.runtime.bpffs")
    maps = lazy("pyebpf.runtime.maps")
    pinned_map = lazy("pyebpf.runtime.pinned_map")
    iterators = lazy("pyebpf.runtime.links.iterators")

Path: TypeAlias = "str | os.PathLike[str]"


class PinnedProgram(Owner):
    """A program that was pinned. It owns its descriptor; the name stays when this is closed.

    Attributes:
        fd: the descriptor; -1 when closed.
        path: where it is pinned.
    """

    def __init__(self, fd: int, path: str) -> None:
        self.fd, self.path = fd, path

    def __repr__(self) -> str:
        state = f"descriptor {self.fd}" if self.fd >= 0 else "closed"
        return f"<PinnedProgram {self.path!r}, {state}>"

    def __del__(self) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.fd

    def info(self) -> ProgInfo:
        """Describe the program in the kernel."""
        return syscall.prog_info(self.fd)

    def attach(self, kind: str, hook: str = "", *, cookie: int = 0, **at: Any) -> Link:
        """Attach the program; the caller owns the link.

        Args:
            kind: what it was loaded as, a name in docs/programs.md: ``"xdp"``, ``"tp_btf"``.
            hook: what a section's name has behind the kind: ``"sched/sched_switch"`` for a
                tracepoint, ``"sys_enter"`` for a raw one.
            cookie: what ``bpf_get_attach_cookie`` returns there.
            at: as in :meth:`pyebpf.Session.attach`.

        Raises:
            AttachError: it is of another kind, or there is no such place.
            NotSupportedError: this kernel lacks what is needed.
            KernelError: the kernel refused.
        """
        row = PROGRAM_KINDS.get(kind)
        found = self.info().type
        if row is None or row.prog_type != found:
            raise AttachError(
                f"{self.path} is a program of type {prog_type_name(found)}, no {kind!r}"
            )
        return attach(self.fd, row, hook, cookie=cookie, at=at)

    def close(self) -> None:
        """Close the descriptor. Closing twice is no error."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def open_pinned(where: Path | MapDecl, declaration: MapDecl | None = None) -> Any:
    """Open a map, a program or a link that was pinned; the caller closes it.

    Args:
        where: its path; or the declaration of a map that says it (``pin=…``).
        declaration: what the map is. The view is then the one that a session would give, and the
            map must be like it.

    Returns:
        For a map its view, with the types of the declaration; without one with those that the
        kernel knows (only CAP_SYS_ADMIN may ask), else with bytes. For a link a ``Link``, also for
        a directory of links; for a program a :class:`PinnedProgram`.

    Raises:
        PinError: nothing is pinned there, or not such a map.
        PyebpfError: the declaration says no path, or is a ``Global``.
        KernelError: the kernel refuses, for example because the file is somebody else's.
    """
    if isinstance(where, MapDecl):
        declaration = declaration or where
        if where.pin is None:
            raise PyebpfError(f"this {type(where).__name__} has no pin=…: say the path")
        where = where.pin
    path = os.fspath(where)
    if os.path.isdir(path):  # noqa: PTH112
        return _links(path)
    if declaration is not None:
        return _declared(declaration, path)
    kind, fd = bpffs.open_pinned(path)
    try:
        if kind == "map":
            return _undeclared(fd, path)
        if kind == "link":
            return _link(os.dup(fd), path)
        return PinnedProgram(os.dup(fd), path)
    finally:
        os.close(fd)


def _undeclared(fd: int, path: str) -> Any:
    """Return the view of a pinned map, as the kernel describes it."""
    view = maps.open_map(os.dup(fd), pinned_map.spec_of(fd, path))
    second = pinned_map.second_of(path)
    if second and isinstance(view, maps.StackTraceMap):
        view.use_second(bpffs.open_pinned(second)[1])
    return view


def unpin(path: Path) -> None:
    """Remove the name of something pinned, or of a directory of links.

    With a map of stacks goes the second map that was pinned beside it.

    The object ends when nobody holds it any more: a map's contents are gone, a program is detached.

    Raises:
        PinError: nothing is pinned there.
        OSError: this process may not remove it.
    """
    name = os.fspath(path)
    second = pinned_map.second_of(name)
    bpffs.unpin(name)
    if second:
        bpffs.unpin(second)


def _declared(decl: MapDecl, path: str) -> Any:
    if isinstance(decl, Global):
        raise PyebpfError("Global variables are part of their session: share an Array[…] instead")
    with _like(decl, path) as opened:
        second = pinned_map.second_of(path) if isinstance(decl, StackTrace) else ""
        with _like(decl, second) if second else nullcontext() as other:
            none = MappingProxyType[Any, Any]({})
            return open_view(decl, opened, none, _no_session, others=[other] if other else [])


def _like(decl: MapDecl, path: str) -> MapFd:
    """Open the map that is pinned at a path, if it is the one that is declared."""
    spec = adjusted(decl.spec(os.path.basename(path), possible_count()))  # noqa: PTH119
    kind, fd = bpffs.open_pinned(path, spec.flags & ONE_SIDED)
    opened = MapFd(fd, spec, spec.name)
    try:
        pinned_map.check(kind, fd, spec, 0, path)
    except BaseException:
        opened.close()
        raise
    return opened


def _no_session(probe: object) -> int:
    raise KeyError(f"{probe!r} is no program that was pinned: there is no session that loaded it")


def _link(fd: int, path: str) -> Link:
    info = syscall.link_info(fd)
    name = f"{path} ({link_type_name(info.type)})"
    return iterators.IterLink(fd, name) if info.type == BPF_LINK_TYPE_ITER else Link(fd, name)


def _one_link(path: str) -> Link:
    kind, fd = bpffs.open_pinned(path)
    if kind != "link":
        os.close(fd)
        raise PinError(f"{path} is no link", path=path)
    return _link(fd, path)


def _links(folder: str) -> Link:
    """Open a directory of links that belong together."""
    names = sorted((n for n in os.listdir(folder) if n.isdigit()), key=int)  # noqa: PTH208
    if not names:
        raise PinError(f"{folder} is a directory, and no links are pinned in it", path=folder)
    found: list[Link] = []
    try:
        found.extend(_one_link(f"{folder}/{name}") for name in names)
    except BaseException:
        for link in found:
            link.close()
        raise
    return base.Links(found, folder)
