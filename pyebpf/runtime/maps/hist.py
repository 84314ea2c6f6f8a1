"""Histograms in maps.

Without a key: a mmap-able array with one row of slots for each possible CPU, which adds into its
own. With one: a per-CPU hash from the key to a row of slots. With ``totals`` a row has one more
slot, behind the others, for the sum of the values.

Shapes below: ``n`` keys, ``c`` possible CPUs, ``w`` slots of a row with the total's.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.owner import Owner
from pyebpf.present.hist import Hist, Kind, linear_edges, log2_edges
from pyebpf.present.keyed import KeyedHist
from pyebpf.runtime.maps.array import ArrayMap, is_mmapable
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.spec.types import DataType

#: Up to here adding row by row is quicker than one call that sums along an axis.
_FEW_CPUS = 4


class HistView(Owner):
    """A histogram that programs add to, read from Python.

    Reading never writes to the map, so no update is ever lost: :meth:`take` and :meth:`clear`
    remember where they were. The one exception is :meth:`clear` of a keyed histogram, which gives
    the keys' room back.

    Attributes:
        map: the map that holds it.
        unit: of the values.
        empty: a :class:`Hist` of its shape that has seen nothing.

    Units:  as ``unit`` says.
    """

    def __init__(  # noqa: PLR0913 - what a declaration says about a histogram
        self,
        map: MapHandle,  # noqa: A002 - the word of this project for it
        *,
        kind: Kind = "log2",
        unit: str = "",
        low: int = 0,
        step: int = 1,
        slots: int = 64,
        totals: bool = False,
        summed: bool = True,
        key: DataType | None = None,
    ) -> None:
        # ``totals``: a row has room for the sum; ``summed``: the programs that are loaded keep it.
        width = slots + totals
        if map.spec.value_size != width * 8:
            message = f"histogram {map.name!r} has {width} slots of 8 bytes; its map's values have "
            raise ValueError(f"{message}{map.spec.value_size} bytes")
        self.map = map
        self.unit = unit
        edges = log2_edges(slots) if kind == "log2" else linear_edges(slots, low, step)
        zeros = np.zeros(slots, np.uint64)
        self.empty = Hist(zeros, edges, unit, 0 if totals and summed else None, kind)
        self._slots = slots
        self._totals = totals and summed
        self._storage = _Rows(map, width) if key is None else _KeyedRows(map, slots, totals)

    @property
    def is_keyed(self) -> bool:
        """Whether there is a histogram for each key."""
        return isinstance(self._storage, _KeyedRows)

    def snapshot(self) -> Hist | KeyedHist:
        """Return what was counted since the program was loaded, or since :meth:`clear`.

        The kernel goes on counting meanwhile: slots read later may hold a little more.

        Cost: a few microseconds and no system call without a key; else one read of the map.
        """
        if isinstance(self._storage, _Rows):
            return self._hist(self._storage.since_clear())
        return self._keyed(self._storage.since_clear())

    def take(self) -> Hist | KeyedHist:
        """Return what was counted since the last :meth:`take` or :meth:`clear`, or since the start.

        Keys that saw nothing in between are left out.
        """
        if isinstance(self._storage, _Rows):
            return self._hist(self._storage.take())
        return self._keyed(self._storage.take())

    def clear(self) -> None:
        """Begin again at nothing.

        A keyed histogram's keys are removed from the map, which makes room for others; what a
        program adds to a key in that moment may be lost. Without a key nothing can be.
        """
        self._storage.clear()

    def close(self) -> None:
        """Close the map and let go of its memory. Closing again does nothing."""
        self._storage.close()

    @property
    def counts(self) -> NDArray[np.uint64]:
        """What :meth:`snapshot` counts, over all keys.

        Shape: ``(64,)``, or as many slots as the declaration says.
        """
        return self._whole().counts

    def top(self, n: int) -> KeyedHist:
        """Return the ``n`` busiest keys of a snapshot.

        Raises:
            TypeError: the histogram has no key.
        """
        shown = self.snapshot()
        if isinstance(shown, Hist):
            raise TypeError(f"histogram {self.map.name!r} has no key to choose by")
        return shown.top(n)

    def __str__(self) -> str:
        return str(self.snapshot())

    def __repr__(self) -> str:
        return f"<HistView {self.map.name!r} {self.empty.kind} count={self._whole().count}>"

    def _repr_html_(self) -> str:
        return self.snapshot()._repr_html_()

    def _whole(self) -> Hist:
        shown = self.snapshot()
        return shown if isinstance(shown, Hist) else shown.total()

    def _hist(self, row: NDArray[np.uint64]) -> Hist:
        total = row.item(self._slots) if self._totals else None
        return self.empty.counted(row[: self._slots], total)

    def _keyed(self, rows: dict[Any, NDArray[np.uint64]]) -> KeyedHist:
        return KeyedHist({key: self._hist(row) for key, row in rows.items()}, self.empty)


class _Rows:
    """A row of slots for each CPU, in an array."""

    def __init__(self, map_: MapHandle, width: int) -> None:
        if not isinstance(map_, ArrayMap):
            message = (
                f"histogram {map_.name!r} has no key, so its map is an array, not {map_.spec.kind}"
            )
            raise TypeError(message)
        self._map = map_
        self._live = tuple(_as_rows(map_.view(), width)) if is_mmapable(map_.spec) else ()
        self._width = width
        self._cleared = np.zeros(width, np.uint64)
        self._taken = self._cleared
        self._is_cleared = False

    def since_clear(self) -> NDArray[np.uint64]:
        row = self._row()
        return row - self._cleared if self._is_cleared else row

    def take(self) -> NDArray[np.uint64]:
        row = self._row()
        before, self._taken = self._taken, row
        return row - before

    def clear(self) -> None:
        # Zeroing the memory instead would race with a CPU that is just adding to it.
        self._cleared = self._taken = self._row()
        self._is_cleared = True

    def _row(self) -> NDArray[np.uint64]:
        """Sum over the CPUs, in memory of its own."""
        live = self._live
        if 2 <= len(live) <= _FEW_CPUS:
            few: NDArray[np.uint64] = reduce(add, live)
            return few
        # Closed, or not to be mapped: the handle says which, or reads it with system calls.
        rows = np.array(live) if live else _as_rows(self._map.snapshot()[1], self._width)
        total: NDArray[np.uint64] = np.add.reduce(rows, axis=0)
        return total

    def close(self) -> None:
        self._live = ()
        self._map.close()


class _KeyedRows:
    """A row of slots for each key and CPU, in a per-CPU hash."""

    def __init__(self, map_: MapHandle, slots: int, totals: bool) -> None:
        if not isinstance(map_, HashMap):
            message = (
                f"histogram {map_.name!r} has a key, so its map is a hash, not {map_.spec.kind}"
            )
            raise TypeError(message)
        self._map = map_
        self._slots = slots
        self._width = slots + totals
        self._taken: dict[Any, NDArray[np.uint64]] = {}

    def since_clear(self) -> dict[Any, NDArray[np.uint64]]:
        keys, values = self._map.snapshot()
        rows = _as_rows(values, self._width)
        if self._map.layout.cpus:
            rows = rows.reshape(len(keys), self._map.layout.cpus, self._width).sum(axis=1)
        return dict(zip(self._map.layout.key.pythonic(keys), rows, strict=True))

    def take(self) -> dict[Any, NDArray[np.uint64]]:
        rows = self.since_clear()
        before, self._taken = self._taken, rows
        new = {key: self._since(row, before.get(key)) for key, row in rows.items()}
        return {key: row for key, row in new.items() if row[: self._slots].any()}

    def clear(self) -> None:
        self._map.clear()
        self._taken = {}

    def close(self) -> None:
        self._map.close()

    def _since(
        self, row: NDArray[np.uint64], earlier: NDArray[np.uint64] | None
    ) -> NDArray[np.uint64]:
        # A slot that went down: the key was removed, and a program has made it anew. The total
        # says nothing, for it may wrap.
        if earlier is None or (row[: self._slots] < earlier[: self._slots]).any():
            return row
        return row - earlier


def _as_rows(values: NDArray[Any], width: int) -> NDArray[np.uint64]:
    """Look at a map's values as rows of slots, whatever type its object gave them."""
    if values.dtype != np.uint64:
        values = values.view(np.uint64)
    return values.reshape(-1, width)
