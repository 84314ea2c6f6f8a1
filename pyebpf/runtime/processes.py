"""Programs and libraries as a process sees them: what it runs, in its own mount namespace.

Source: ``proc(5)`` (``maps``, ``map_files``, ``root``, ``ns``); ``ld.so(8)``.
"""

from __future__ import annotations

import os

from pyebpf.errors import AttachError
from pyebpf.runtime.binaries import find_binary
from pyebpf.runtime.mappings import mapped_files

_DELETED = " (deleted)"
#: As many links as the kernel itself follows.
_MOST_LINKS = 40


def find_in_process(name: str, pid: int) -> str:
    """Return a path, for us, of a program or library of a process.

    What the process has mapped comes first, also if the file has been deleted or lies in another
    mount namespace, as in a container; then what it would find under that name.

    Args:
        name: as for ``find_binary``.
        pid: the process.

    Raises:
        AttachError: there is no such process, or it has no such file.
    """
    try:
        rows = mapped_files(pid)
        root = _root(pid)
    except OSError as error:
        raise AttachError(f"there is no process {pid}: {error.strerror}", target=name) from None
    for row in rows:
        path = row.path.removesuffix(_DELETED)
        if not _is_called(path, name):
            continue
        if row.path == path and os.path.isfile(root + path):  # noqa: PTH113
            return root + path
        return f"/proc/{pid}/map_files/{row.start:x}-{row.end:x}"
    if not root or name.startswith("/proc/"):  # our /proc, in which the process has this number
        return find_binary(name)
    path = _inside(root, name) if "/" in name else ""
    if path and os.path.isfile(path):  # noqa: PTH113
        return path
    have = ", ".join(sorted({os.path.basename(row.path) for row in rows}))  # noqa: PTH119
    why = f"the process {pid}, in a mount namespace of its own, has no file {name!r} and has mapped"
    raise AttachError(f"{why} {have}", target=name)


def _root(pid: int) -> str:
    """Return where we see the process's root directory; "" if it is ours."""
    theirs, ours = (
        (os.readlink(f"/proc/{who}/ns/mnt"), os.readlink(f"/proc/{who}/root"))  # noqa: PTH115
        for who in (pid, "self")
    )
    return "" if theirs == ours else f"/proc/{pid}/root"


def _is_called(path: str, name: str) -> bool:
    if "/" in name:
        return path == name
    base = os.path.basename(path)  # noqa: PTH119
    stem = f"lib{name.removeprefix('lib').partition('.so')[0]}"
    # libc.so.6, or libc-2.31.so
    version = base.removeprefix(f"{stem}-") if base.startswith(f"{stem}-") else ""
    return base == name or base.startswith(f"{stem}.so") or version[:1].isdigit()


def _inside(root: str, path: str) -> str:
    """Follow the links of a path below ``root`` as who lives there does: "/" is ``root``."""
    done: list[str] = []
    todo = path.split("/")[::-1]
    links = 0
    while todo and links < _MOST_LINKS:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        here = "/".join((root, *done, part))
        if not os.path.islink(here):  # noqa: PTH114
            done.append(part)
            continue
        links += 1
        target = os.readlink(here)  # noqa: PTH115
        if target.startswith("/"):
            done.clear()
        todo.extend(target.split("/")[::-1])
    return "/".join((root, *done))
