"""The files that processes have mapped, and their functions, read once for all that share them."""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from pyebpf.errors import FormatError
from pyebpf.progress import doing
from pyebpf.runtime.image import open_image
from pyebpf.runtime.mappings import Mapping
from pyebpf.runtime.symbols.elf_symbols import functions_of
from pyebpf.runtime.symbols.table import Table

_DELETED = " (deleted)"
#: As many functions are kept of files in all, of which each takes some 100 bytes.
_MOST_KEPT = 4_000_000


class Identity(NamedTuple):
    """What tells a file from others, and from itself before it was written again."""

    device: int
    inode: int
    size: int
    changed_ns: int


class FileSymbols(NamedTuple):
    """The functions of a file by their places in it.

    Attributes:
        build_id: in hexadecimal; "" without one.
        table: the functions; empty if the file says none, or is no 64-bit ELF file.
    """

    build_id: str
    table: Table


class MappedFile:
    """A file that a process has mapped, or that was named by its path.

    Args:
        path: as the process sees it, or saw it before the file was deleted.
        identity: None if the file cannot be found any more, or may not be read.
        ways: other paths that lead to it as long as the process is there.

    Attributes:
        kept: its functions, if they were read because it cannot be read later.
    """

    kept: FileSymbols | None = None

    def __init__(self, path: str, identity: Identity | None, ways: tuple[str, ...] = ()) -> None:
        self.path, self.identity, self._ways = path, identity, ways

    def now(self) -> str | None:
        """Return a path of this very file; None if there is none any more."""
        for path in (*self._ways, self.path):
            if self.identity is not None and identity(path) == self.identity:
                return path
        return None

    def stays(self) -> bool:
        """Tell whether the file can be found when its process has ended."""
        return self.identity is None or identity(self.path) == self.identity


def mapped_file(pid: int, row: Mapping) -> MappedFile:
    """Return the file of a mapping."""
    path = row.path.removesuffix(_DELETED)
    outside = f"/proc/{pid}/root{path}"
    # This one leads to the file also where another one has its path now.
    exact = f"/proc/{pid}/map_files/{row.start:x}-{row.end:x}"
    found = identity(outside)
    if found is None or found.inode != row.inode:
        found = identity(exact)
    return MappedFile(path, found, (outside, exact))


def identity(path: str) -> Identity | None:
    """Return what tells a file from others; None if there is none, or it may not be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class Files:
    """The functions of files, those that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Identity, FileSymbols] = OrderedDict()

    def of(self, file: MappedFile) -> FileSymbols:
        """Return the functions of a mapped file; none if it is gone."""
        if file.kept is not None:
            return file.kept
        if file.identity is None:
            return NOTHING
        if file.identity in self._kept:
            self._kept.move_to_end(file.identity)
            return self._kept[file.identity]
        path = file.now()
        if path is None:
            return NOTHING
        return self._keep(file.identity, read(path))

    def _keep(self, identity: Identity, found: FileSymbols) -> FileSymbols:
        self._kept[identity] = found
        total = sum(each.table.known for each in self._kept.values())
        while total > _MOST_KEPT and len(self._kept) > 1:
            total -= self._kept.popitem(last=False)[1].table.known
        return found


def read(path: str) -> FileSymbols:
    """Return the functions of a file; none if it cannot be read, or is no 64-bit ELF file."""
    with suppress(FormatError, OSError), doing(f"reading {path}"), open_image(path) as image:
        return FileSymbols(image.build_id(), functions_of(image))
    return NOTHING


def build_id(path: str) -> str:
    """Return the build id of a file, in hexadecimal; "" if it has none or cannot be read."""
    with suppress(FormatError, OSError), open_image(path) as image:
        return image.build_id()
    return ""


_NO_ADDRESSES = np.empty(0, np.uint64)
NOTHING = FileSymbols("", Table(_NO_ADDRESSES, _NO_ADDRESSES, str))
