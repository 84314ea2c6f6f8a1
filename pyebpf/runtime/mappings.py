"""Which files a process has in its memory, and where."""

from __future__ import annotations

from typing import NamedTuple


class Mapping(NamedTuple):
    """A part of the memory of a process.

    Attributes:
        start: its first address.
        end: the first one behind it.
        is_code: it can be executed.
        offset: where in the file it begins, in bytes.
        device: that the file is on, ``"fe:00"``.
        inode: of the file.
        path: of the file as the process sees it; ``"[vdso]"`` and the like, or "" without one.
    """

    start: int
    end: int
    is_code: bool
    offset: int
    device: str
    inode: int
    path: str


def mapped_files(pid: int | str = "self") -> list[Mapping]:
    """Return the parts of the memory of a process that files are in.

    Raises:
        OSError: there is no such process, or it may not be looked at.
    """
    return [row for row in mappings(pid) if row.path.startswith("/")]


def mappings(pid: int | str = "self") -> list[Mapping]:
    """Return all parts of the memory of a process, by address.

    Raises:
        OSError: there is no such process, or it may not be looked at.
    """
    rows = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        for line in file:
            span, rights, offset, device, inode, *path = line.rstrip("\n").split(None, 5)
            start, _, end = span.partition("-")
            span_and_kind = int(start, 16), int(end, 16), "x" in rights, int(offset, 16)
            where = device, int(inode), path[0].rstrip() if path else ""
            rows.append(Mapping(*span_and_kind, *where))
    return rows
