"""The functions of one process: of its program, its libraries, and of compilers inside it.

What was seen of a process is kept: it may have ended, or become another program, when the
addresses are looked up that it was seen with.

Shapes below: ``q`` addresses that are asked for.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from pyebpf.runtime.mappings import Mapping, mappings
from pyebpf.runtime.symbols import vdso
from pyebpf.runtime.symbols.files import NOTHING, Files, MappedFile, mapped_file
from pyebpf.runtime.symbols.frame import Frame
from pyebpf.runtime.symbols.jit import JitSymbols
from pyebpf.runtime.symbols.table import Numbers, Rows, Table

#: As many states of the memory of a process are kept: the first, and the newest.
_MOST_STATES = 8
#: Where in ``/proc/PID/stat``, behind the name, the time is when the process started.
_START_TIME = 19


class ProcessSymbols:
    """The functions of a process. Of one that had ended before it was first seen, none is known.

    Args:
        pid: the process.
        files: what is known of files.
    """

    def __init__(self, pid: int, files: Files) -> None:
        self._pid, self._files = pid, files
        self._states: list[_Memory] = []
        self._jit = JitSymbols(pid)
        self._started = _started(pid)
        self.update()

    def update(self) -> bool:
        """Look at the memory of the process; tell whether it has changed."""
        if self._started is None or _started(self._pid) != self._started:
            return False  # it has ended, and another one may have its number
        try:
            rows = mappings(self._pid)
        except OSError:
            return False
        if not rows or (self._states and self._states[-1].rows == rows):
            return False
        self._states.append(_Memory(self._pid, rows))
        del self._states[1 : 1 - _MOST_STATES]
        return True

    def remember(self) -> None:
        """Keep what is needed to name functions of the process when it has ended.

        Files that others can find by their paths are only read when they are needed; those of
        another mount namespace, and those that were deleted, are read now.
        """
        self.update()
        self._update_compiled()
        for file in self._states[-1].code_files() if self._states else ():
            if not file.stays():
                file.kept = self._files.of(file)

    def code_files(self) -> list[MappedFile]:
        """Return the files with code that were seen in the process."""
        return [file for state in self._states for file in state.code_files()]

    def frames(self, addresses: Numbers) -> list[Frame]:
        """Return what is at each address, ``(q,)``."""
        found: list[Frame | None] = [None] * len(addresses)
        asked = np.arange(len(addresses))
        for state in reversed(self._states):
            asked = self._fill(found, state, addresses, asked)
        if len(asked) and self.update():
            self._fill(found, self._states[-1], addresses, asked)
        self._fill_compiled(found, addresses)
        return [
            frame or Frame(address, "", 0, "")
            for frame, address in zip(found, addresses.tolist(), strict=True)
        ]

    def _fill(
        self, found: list[Frame | None], state: _Memory, addresses: Numbers, asked: Rows
    ) -> Rows:
        """Say what is at the addresses that a state of the memory knows; return the others."""
        rows = state.table.rows(addresses[asked])
        for row in np.unique(rows[rows >= 0]).tolist():
            mapping, here = state.rows[row], asked[rows == row]
            table, module = self._table(state, row)
            places = addresses[here] - np.uint64(mapping.start) + np.uint64(mapping.offset)
            frames = table.frames(addresses[here], places, module)
            for at, frame in zip(here.tolist(), frames, strict=True):
                found[at] = frame
        return asked[rows < 0]

    def _table(self, state: _Memory, row: int) -> tuple[Table, str]:
        mapping = state.rows[row]
        if mapping.path == vdso.NAME:
            return vdso.vdso_functions(mapping) or NOTHING.table, vdso.NAME
        file = state.file(row)
        if file is None:
            return NOTHING.table, mapping.path
        return self._files.of(file).table, file.path

    def _fill_compiled(self, found: list[Frame | None], addresses: Numbers) -> None:
        """Ask the compilers inside the process about what has no name yet."""
        where = np.array([at for at, frame in enumerate(found) if not (frame and frame.name)])
        if not len(where):
            return
        self._update_compiled()
        here = addresses[where]
        for at, frame in zip(
            where.tolist(), self._jit.table.frames(here, here, "[jit]"), strict=True
        ):
            if frame.name:
                found[at] = frame

    def _update_compiled(self) -> None:
        if _started(self._pid) in (None, self._started):  # else another process has its number
            self._jit.update()


class _Memory:
    """The memory of a process as it was at one moment."""

    def __init__(self, pid: int, rows: list[Mapping]) -> None:
        self._pid, self.rows = pid, rows
        starts = np.array([row.start for row in rows], np.uint64)
        self.table = Table(starts, np.array([row.end for row in rows], np.uint64), str)
        self._files: dict[tuple[str, int, str], MappedFile] = {}
        self.code_files()  # while the process is there to tell which files these are

    def file(self, row: int) -> MappedFile | None:
        """Return the file of a mapping; None if there is none."""
        mapping = self.rows[row]
        if not mapping.path.startswith("/"):
            return None
        key = mapping.device, mapping.inode, mapping.path
        if key not in self._files:
            self._files[key] = mapped_file(self._pid, mapping)
        return self._files[key]

    def code_files(self) -> list[MappedFile]:
        """Return the mapped files that have code, each once."""
        rows = (at for at, row in enumerate(self.rows) if row.is_code)
        return list(dict.fromkeys(file for row in rows if (file := self.file(row)) is not None))


def _started(pid: int) -> int | None:
    """Return when a process started, in ticks of the clock; None if there is no such process."""
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return int(file.read().rpartition(b")")[2].split()[_START_TIME])
    return None
