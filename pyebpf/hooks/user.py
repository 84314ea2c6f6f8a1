"""The hooks of programs and libraries: functions of a file, or of all files of a process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf.errors import AttachError, FormatError
from pyebpf.hooks.entries import Entry
from pyebpf.plain import Frozen
from pyebpf.runtime import binaries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.hooks.kinds import Kind


class Process(Frozen):
    """A process that runs binaries; none, if ``pid`` is 0."""

    pid: int = 0


class Symbols:
    """The functions of one binary."""

    name = "symbol"
    doubt = ""

    def __init__(self, path: str, process: Process) -> None:
        self.path, self._process = path, process

    def names(self) -> Iterable[str]:
        return binaries.function_names(self.path)

    def describe(self, name: str) -> Entry:
        pid = f", pid={self._process.pid}" if self._process.pid else ""
        code = f'@uprobe("{self.path}", "{name}"{pid})'
        return Entry(self.name, name, code, (("ctx", "UprobeContext"),))


#: The kinds of hooks in binaries, by what makes them of a path.
_KINDS = (Symbols,)
BINARY_KINDS = tuple(each.name for each in _KINDS)


def binary_kinds(path: str, process: Process) -> list[Kind]:
    """Return the kinds of hooks of one binary."""
    return [make(path, process) for make in _KINDS]


def binaries_of(names: Iterable[str], pid: int) -> list[str]:
    """Return the paths of binaries by their names, or of all that a process runs.

    Args:
        names: paths, programs on ``PATH``, libraries without ``lib`` and ``.so``.
        pid: the process, if there are no names; 0 for none.

    Raises:
        AttachError: there is no such file or process.
    """
    found = [binaries.find_binary(name) for name in names]
    return found or (process_binaries(pid) if pid else [])


def process_binaries(pid: int) -> list[str]:
    """Return the ELF files that a process has mapped as code, by paths that this process can open.

    Raises:
        AttachError: there is no such process, or it is somebody else's.
    """
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            rows = [line.rstrip("\n").split(maxsplit=5) for line in file]
    except FileNotFoundError:
        raise AttachError(f"there is no process {pid}", target=str(pid)) from None
    except PermissionError:
        text = f"process {pid} is somebody else's: only root may see what it has mapped"
        raise AttachError(text, target=str(pid)) from None
    mapped = dict.fromkeys(row[5] for row in rows if len(row) == 6 and "x" in row[1])
    files = (_reachable(path, pid) for path in mapped if path.startswith("/"))
    return [path for path in files if path and _is_elf(path)]


def _reachable(path: str, pid: int) -> str:
    """Return a path by which this process opens a file of another, in its mount namespace."""
    inside = f"/proc/{pid}/root{path}"
    found = _identity(inside)
    candidates = (each for each in (path, inside) if found and _identity(each) == found)
    return next(candidates, "")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        info = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(4) == b"\x7fELF"
    except (OSError, FormatError):
        return False
