"""Functions that compilers inside a process made, as they tell tracers: ``python -X perf``, node.

Source: tools/perf/Documentation/jit-interface.txt of Linux.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

import numpy as np

from pyebpf.runtime.symbols.table import Table

#: Of a longer file the end is read: what was compiled last counts.
_MOST_BYTES = 256 << 20


class JitSymbols:
    """The map file of one process, read when an address is asked for and it has changed.

    Args:
        pid: the process, as we number it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._state: tuple[int, int, int] | None = None
        self.table = _table([])

    def update(self) -> None:
        """Read the file if it has changed. If it is gone, what was known stays."""
        for path, owners in self._paths():
            with suppress(OSError), open(path, "rb", opener=_opener) as file:
                found = os.fstat(file.fileno())
                # Anybody may write into /tmp: only the process itself, or root, says its names.
                if not stat.S_ISREG(found.st_mode) or found.st_uid not in owners:
                    continue
                state = found.st_ino, found.st_size, found.st_mtime_ns
                if state == self._state:
                    return
                if found.st_size > _MOST_BYTES:
                    file.seek(found.st_size - _MOST_BYTES)
                    file.readline()
                self.table = _table(file.read(_MOST_BYTES).decode("utf-8", "replace").split("\n"))
                self._state = state
                return

    def _paths(self) -> list[tuple[str, set[int]]]:
        """Return where the file may be, and who may have written it."""
        try:
            owner = os.stat(f"/proc/{self._pid}").st_uid  # noqa: PTH116
            inside = _own_number(self._pid)
        except OSError:  # it has ended: its file may be there still
            return [(f"/tmp/perf-{self._pid}.map", {0, os.geteuid()})]  # noqa: S108
        folder = f"/proc/{self._pid}/root/tmp"
        numbers = dict.fromkeys((inside, self._pid))
        return [(f"{folder}/perf-{number}.map", {0, owner}) for number in numbers]


def _own_number(pid: int) -> int:
    """Return the number that a process has in its own namespace: it names its file by that."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        rows = [line for line in file if line.startswith("NSpid:")]
    return int(rows[0].split()[-1]) if rows else pid


def _opener(path: str, flags: int) -> int:
    """Open without waiting, as a pipe there would make us, and without following a link."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def _table(lines: list[str]) -> Table:
    """Return the functions of the lines ``START SIZE name``; a later line replaces an earlier."""
    starts, ends, names = [], [], []
    for line in lines:
        start, _, rest = line.partition(" ")
        size, _, name = rest.partition(" ")
        with suppress(ValueError):
            begin, end = int(start, 16), int(start, 16) + int(size, 16)
            if name and 0 <= begin < end < 1 << 64:
                starts.append(begin)
                ends.append(end)
                names.append(name)
    pieces = np.array(starts, np.uint64), np.array(ends, np.uint64)
    return Table(*pieces, names.__getitem__, np.arange(len(names)))
