"""Functions by address: what the addresses of a call stack are called.

In a stack only the innermost address is that of an instruction that runs; the others are behind a
call, where the next function may begin already, so that one byte before is looked up.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

from pyebpf.errors import FormatError
from pyebpf.runtime.debug_files import images_with_symbols
from pyebpf.runtime.demangle import demangled
from pyebpf.runtime.image import open_image
from pyebpf.runtime.mappings import Mapping, mappings

KALLSYMS = "/proc/kallsyms"
#: No function of the kernel is larger, in bytes; what is further from one belongs to none.
_LARGEST = 1 << 20


class _Named(NamedTuple):
    start: int
    end: int
    name: str


class _Names:
    """Pieces of an address space that have names."""

    def __init__(self, pieces: Iterable[_Named]) -> None:
        self._pieces = sorted(pieces)
        self._starts = [piece.start for piece in self._pieces]

    def at(self, address: int) -> str | None:
        number = bisect_right(self._starts, address)
        piece = self._pieces[number - 1] if number else None
        return piece.name if piece and address < piece.end else None


class KernelNames:
    """The functions of the kernel and its modules, as ``/proc/kallsyms`` lists them now.

    Where the kernel hides their addresses from this process, none is known.
    """

    def __init__(self) -> None:
        found: list[tuple[int, str]] = []
        with suppress(OSError), open(KALLSYMS, encoding="utf-8") as file:  # noqa: PTH123
            rows = (line.split(maxsplit=3) for line in file)
            found = sorted((int(row[0], 16), row[2]) for row in rows if row[1] in "tTwW")
        # The list has no sizes: a function ends where the next one begins.
        after = zip_longest(found, found[1:], fillvalue=(1 << 64, ""))
        pieces = [
            _Named(start, min(end, start + _LARGEST), name)
            for (start, name), (end, _) in after
            if start
        ]
        self._names = _Names(pieces)

    def name(self, address: int) -> str | None:
        """Return the function at an address."""
        return self._names.at(address)


class ProcessNames:
    """The functions of a process: of its program, its libraries, and of compilers inside it.

    Of a process that has ended, none is known.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._rows: list[Mapping] = []
        self._compiled: _Names | None = None

    def name(self, address: int) -> str | None:
        """Return the function at an address; the file, in brackets, if that does not say."""
        row = self._row(address)
        if row is None:
            return None
        if not row.path.startswith("/"):
            return row.path or self._generated(address)
        place = address - row.start + row.offset
        found = _functions(f"/proc/{self._pid}/root{row.path}", row.inode).at(place)
        return demangled(found) if found else f"[{row.path.rpartition('/')[2]}]"

    def _row(self, address: int) -> Mapping | None:
        for again in (False, True):
            if again or not self._rows:
                with suppress(OSError):
                    self._rows = mappings(self._pid)
            for row in self._rows:
                if row.start <= address < row.end:
                    return row
        return None

    def _generated(self, address: int) -> str | None:
        """Return what a compiler inside the process says of its code, as ``python -X perf`` does.

        Source:  tools/perf/Documentation/jit-interface.txt of Linux.
        """
        if self._compiled is None:
            pieces: list[_Named] = []
            path = f"/proc/{self._pid}/root/tmp/perf-{self._pid}.map"
            with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:  # noqa: PTH123
                for line in file:
                    start, size, name = line.rstrip("\n").split(" ", 2)
                    pieces.append(_Named(int(start, 16), int(start, 16) + int(size, 16), name))
            self._compiled = _Names(pieces)
        return self._compiled.at(address)


@lru_cache(maxsize=64)
def _functions(path: str, inode: int) -> _Names:  # noqa: ARG001 - another file has another inode
    """Return the functions of a file by their places in it."""
    pieces: dict[int, _Named] = {}
    with suppress(FormatError, OSError), open_image(path) as image:
        for source in images_with_symbols(image):
            for function in source.functions():
                with suppress(FormatError):
                    start = image.place(function.address)
                    end = start + max(function.size, 1)
                    pieces.setdefault(start, _Named(start, end, function.name))
    return _Names(pieces.values())


def named(addresses: Sequence[int], names: KernelNames | ProcessNames) -> list[str]:
    """Return the names of a stack's functions; an address in hexadecimal where there is none."""
    return [
        names.name(address - bool(number)) or f"{address:#x}"
        for number, address in enumerate(addresses)
    ]
