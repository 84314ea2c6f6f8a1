"""The functions of the kernel, of its modules, and of BPF programs, as ``/proc/kallsyms`` has them.

Shapes below: ``n`` symbols, ``q`` addresses that are asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyebpf.progress import doing
from pyebpf.runtime.kallsyms import MARK
from pyebpf.runtime.symbols import bpf_programs
from pyebpf.runtime.symbols.frame import Frame
from pyebpf.runtime.symbols.table import Numbers, Table

KALLSYMS = "/proc/kallsyms"
KERNEL = "[kernel]"
#: The module that the list gives programs.
_PROGRAMS = b"[bpf]"
#: No function of the kernel is larger, in bytes; what is further from one belongs to none.
_LARGEST = np.uint64(1 << 20)
#: Addresses below are not the kernel's.
_FIRST = np.uint64(1 << 63)
#: ``ffffffff81234567 T name``: digits of an address, and where letter and name stand.
_DIGITS, _LETTER, _NAME = 16, 17, 19
_HEX = np.full(256, 255, np.uint8)
_HEX[[*b"0123456789abcdef"]] = range(16)


class KernelSymbols:
    """The functions of the kernel, read again when an address is not known: programs come and go.

    Where the kernel hides their addresses from this process, none is known.
    """

    def __init__(self) -> None:
        self._list: _List | None = None
        #: Addresses for which the list was read again; it is not for them another time.
        self._asked: set[int] = set()

    def frames(self, addresses: Numbers) -> list[Frame]:
        """Return what is at each address, ``(q,)``."""
        is_new = self._list is None
        if self._list is None:
            self._list = _List()
        rows = self._list.table.rows(addresses)
        unsure = set(addresses[self._list.unsure(rows) & (addresses >= _FIRST)].tolist())
        again = bool(unsure - self._asked) and not is_new
        self._asked |= unsure
        if again:
            self._list = _List()
            rows = self._list.table.rows(addresses)
        return self._list.frames(addresses, rows)


class _List:
    """The list as it was at one moment. Names stay in its bytes until they are wanted."""

    def __init__(self) -> None:
        with doing("reading the kernel's symbols"):
            self._data = _read()
        begins, ends = _lines(self._data)
        text = np.frombuffer(self._data, np.uint8)
        letters = text[begins + _LETTER] if len(begins) else text
        starts = _addresses(text, begins)
        keep = np.isin(letters, [*b"tTwW"]) & (starts > 0)
        keep &= text[begins + _NAME] != ord(MARK)
        begins, ends, starts = begins[keep], ends[keep], starts[keep]
        # The kernel itself takes the first of several names of one address.
        _, first = np.unique(starts, return_index=True)
        self._begins, self._ends, starts = begins[first] + _NAME, ends[first], starts[first]
        # There are no sizes: a function ends where the next one begins.
        limits = np.minimum(np.append(starts[1:], starts[-1:] + _LARGEST), starts + _LARGEST)
        self._fit_programs(starts, limits)
        self._starts = starts
        self.table = Table(starts, limits, lambda row: self._text(row)[0])

    def _fit_programs(self, starts: Numbers, limits: Numbers) -> None:
        """Let programs end where they do: behind them are gaps, and programs that came later."""
        known = bpf_programs.lengths() if _PROGRAMS in self._data else {}
        for start, length in known.items():
            row = int(np.searchsorted(starts, np.uint64(start)))
            if row < len(starts) and starts[row] == start:
                limits[row] = min(int(limits[row]), start + length)

    def _text(self, row: int) -> tuple[str, str]:
        """Return the name of a symbol, and its module in brackets."""
        line = self._data[int(self._begins[row]) : int(self._ends[row])]
        name, _, module = line.decode("utf-8", "replace").partition("\t")
        return name, module.strip() or KERNEL

    def unsure(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which rows, ``(q,)``, may be those of something that came later.

        That is where no symbol is, and behind the last one of a module: where that ends is not
        listed.
        """
        last = {
            row
            for row in np.unique(rows[rows >= 0]).tolist()
            if row + 1 == len(self._begins) or self._text(row)[1] != self._text(row + 1)[1]
        }
        return (rows < 0) | np.isin(rows, list(last))

    def frames(self, addresses: Numbers, rows: NDArray[np.int64]) -> list[Frame]:
        """Return what is at addresses, ``(q,)``, whose rows were found."""
        starts = self._starts[np.maximum(rows, 0)].tolist() if len(self._starts) else rows.tolist()
        asked = zip(addresses.tolist(), rows.tolist(), starts, strict=True)
        return [
            Frame(address, self.table.name(row), address - start, self._text(row)[1])
            if row >= 0
            else Frame(address, "", 0, "")
            for address, row, start in asked
        ]


def _read() -> bytes:
    try:
        with open(KALLSYMS, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def _lines(data: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the lines begin and end that are long enough to be symbols."""
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    begins = np.append([0], ends[:-1] + 1)[: len(ends)]
    whole = ends - begins > _NAME
    return begins[whole], ends[whole]


def _addresses(text: NDArray[np.uint8], begins: NDArray[np.int64]) -> Numbers:
    """Return the hexadecimal numbers that lines begin with, ``(n,)``."""
    found = np.zeros(len(begins), np.uint64)
    for place in range(_DIGITS):
        found = found << np.uint64(4) | _HEX[text[begins + place]]
    return found
