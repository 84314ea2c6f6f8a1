"""The functions of a program or library by their places in the file: one table for all its sources.

Shapes below: ``n`` symbols.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime.demangle import demangled
from pyebpf.runtime.elf_file import SHN_UNDEF, SHT_SYMTAB, STB_LOCAL, STB_WEAK, STT_FUNC, SYMBOL
from pyebpf.runtime.functions import sources_of
from pyebpf.runtime.gopclntab import GoFunctions
from pyebpf.runtime.image import GNU_IFUNC, Image
from pyebpf.runtime.symbols.table import Numbers, Table

_SYMBOL = np.dtype(
    [
        ("name", "<u4"),
        ("info", "u1"),
        ("other", "u1"),
        ("section", "<u2"),
        ("value", "<u8"),
        ("size", "<u8"),
    ]
)
assert _SYMBOL.itemsize == SYMBOL.size
#: What assembly does not give a type is a function where it is in code and known outside.
_STT_NOTYPE = 0
#: No name is longer; one that has no end would be the rest of the file.
_LONGEST = 1 << 16
#: Leading underscores are counted up to here when one of several names is chosen.
_UNDERSCORES = 3
_NONE = np.empty(0, np.uint64)


class _Names:
    """Names of symbols in a copy of the file's bytes: the file may be gone when they are wanted."""

    def __init__(self, strings: bytes, at: NDArray[Any]) -> None:
        self._strings, self.at = strings, at

    def name(self, row: int) -> str:
        """Return the name of a symbol, demangled."""
        at = int(self.at[row])
        end = self._strings.find(b"\0", at, at + _LONGEST)
        text = self._strings[at : end if end >= 0 else at + _LONGEST].decode("utf-8", "replace")
        # The static table of a library has the version in the name: memcpy@@GLIBC_2.14.
        return demangled(text.partition("@")[0])

    def underscores(self) -> NDArray[np.int64]:
        """Return how many each name begins with, ``(n,)``; the one of a mangled name is none."""
        letters = np.frombuffer(self._strings + bytes(_UNDERSCORES), np.uint8)
        at = self.at.astype(np.int64)
        first = np.stack([letters[at + n] == ord("_") for n in range(_UNDERSCORES)])
        counts = np.cumprod(first, axis=0).sum(axis=0)
        return np.where((counts == 1) & (letters[at + 1] == ord("Z")), 0, counts)


def functions_of(image: Image) -> Table:
    """Return the functions of a file by their places in it, in bytes from its begin.

    Of several names of one function the one is taken that says its size, has fewer underscores in
    front, and is known further: global, weak, local.

    Cost: some ms for 10,000 functions; debug files and what is packed with xz take longer.
    """
    parts = [_read(image, *part) for source in _sources(image) for part in _tables(source)]
    starts = np.concatenate([_NONE, *(part[0] for part in parts)])
    ends = np.concatenate([_NONE, *(part[1] for part in parts)])
    firsts = np.cumsum([0, *(len(part[0]) for part in parts)])

    def name(row: int) -> str:
        number = int(np.searchsorted(firsts, row, side="right")) - 1
        return parts[number][2].name(row - int(firsts[number]))

    costs = np.concatenate([np.empty(0, np.int64), *(part[3] for part in parts)])
    return _chosen(starts, ends, costs, name)


def _sources(image: Image) -> Iterator[Image | GoFunctions]:
    """Yield what says the functions; a file that was not stripped says all of them."""
    for source in sources_of(image):
        yield source
        if isinstance(source, Image) and source.has_all_symbols():
            return


def _tables(source: Image | GoFunctions) -> list[tuple[bytes, bytes]]:
    """Return symbols and strings of each table; the dynamic one is part of the static one."""
    if isinstance(source, GoFunctions):
        return [(source.symbols(), source.names)]
    tables = list(source.symbol_tables())
    whole = [table for table in tables if table[0].kind == SHT_SYMTAB and table[0].size]
    return [(symbols, source.strings(section)) for section, _, symbols in whole or tables]


def _read(
    image: Image, symbols: bytes, strings: bytes
) -> tuple[Numbers, Numbers, _Names, NDArray[np.int64]]:
    """Return starts, ends, names and costs (the cheapest is the best) of a table's functions.

    A function without a size has 0 as its end.
    """
    rows = np.frombuffer(symbols, _SYMBOL)
    kind, binding = rows["info"] & 15, rows["info"] >> 4
    is_function = (kind == STT_FUNC) | (kind == GNU_IFUNC)
    is_function |= (kind == _STT_NOTYPE) & (binding != STB_LOCAL)
    rows = rows[is_function & (rows["section"] != SHN_UNDEF) & (rows["name"] < len(strings))]
    places = np.zeros(len(rows), np.uint64)
    in_code = np.zeros(len(rows), bool)
    for segment in image.segments:
        if segment.is_code:
            here = rows["value"] - np.uint64(segment.address)  # wraps where it is before
            inside = here < np.uint64(segment.size)
            places[inside] = here[inside] + np.uint64(segment.offset)
            in_code |= inside
    rows, places = rows[in_code], places[in_code]
    names = _Names(strings, rows["name"].copy())
    ends = np.where(rows["size"] > 0, places + rows["size"], 0).astype(np.uint64)
    binding = rows["info"] >> 4
    reach = np.select([binding == STB_LOCAL, binding == STB_WEAK], [2, 1], 0)
    costs = (rows["size"] == 0) * 100 + names.underscores() * 10 + reach
    return places, ends, names, costs.astype(np.int64)


def _chosen(starts: Numbers, ends: Numbers, costs: NDArray[np.int64], name: Any) -> Table:
    """Keep one name of each function, and find where those end that do not say it."""
    order = np.lexsort((costs, starts))
    first = np.ones(len(order), bool)
    first[1:] = starts[order][1:] != starts[order][:-1]
    kept = order[first]
    begins, stops = starts[kept], ends[kept]
    sized = stops > begins
    # A mark inside a function is no function; any other one goes on until the next begins.
    furthest = np.maximum.accumulate(np.where(sized, stops, 0)) if len(kept) else stops
    inside = np.zeros(len(kept), bool)
    inside[1:] = ~sized[1:] & (begins[1:] < furthest[:-1])
    kept, sized = kept[~inside], sized[~inside]
    begins, stops = begins[~inside], stops[~inside]
    following = np.append(begins[1:], begins[-1:] + np.uint64(1))
    stops = np.where(sized, stops, following)
    return Table(begins, stops, lambda row: name(int(kept[row])))
