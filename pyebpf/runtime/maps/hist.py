"""Histograms in maps: a row (``pyebpf.runtime.maps.rows``) has the slots, and then the total."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.owner import Owner
from pyebpf.present.hist import Hist, linear_edges, log2_edges
from pyebpf.present.keyed import KeyedHist
from pyebpf.runtime.maps.rows import ArrayRows, KeyedRows, open_rows, summed

if TYPE_CHECKING:
    from pyebpf.runtime.maps.base import MapHandle
    from pyebpf.spec.aggregates import HistogramSpec


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

    def __init__(
        self,
        map: MapHandle,  # noqa: A002 - the word of this project for it
        shape: HistogramSpec,
        *,
        summed_up: bool = True,
    ) -> None:
        # A map may have room for a total that the programs that are loaded do not keep.
        self._slots, self._totals = shape.slots, shape.totals and summed_up
        self.map = map
        self.unit = shape.unit
        zeros = np.zeros(shape.slots, np.uint64)
        total = 0 if self._totals else None
        if shape.kind == "log2":
            edges = log2_edges(shape.slots, 1 << shape.sub_bits)
            self.empty = Hist(zeros, edges, shape.unit, total, "log2", 1 << shape.sub_bits)
        else:
            edges = linear_edges(shape.slots, shape.low, shape.step)
            self.empty = Hist(zeros, edges, shape.unit, total, "linear")
        cells = self._slots + self._totals
        self._rows = open_rows(map, cells, summed, keyed=shape.key is not None)

    @property
    def is_keyed(self) -> bool:
        """Whether there is a histogram for each key."""
        return isinstance(self._rows, KeyedRows)

    def snapshot(self) -> Hist | KeyedHist:
        """Return what was counted since the program was loaded, or since :meth:`clear`.

        The kernel goes on counting meanwhile: slots read later may hold a little more.

        Cost: a few microseconds and no system call without a key; else one read of the map.
        """
        if isinstance(self._rows, ArrayRows):
            return self._hist(self._rows.since_clear())
        return self._keyed(self._rows.since_clear())

    def rows(self) -> tuple[list[Any], NDArray[np.uint64]]:
        """Return the keys, and what was counted for each of them, as one array.

        Shape:  ``(n, 64)`` for ``n`` keys, or as many slots as the declaration says.

        Cost: as :meth:`snapshot`, without an object for each key.

        Raises:
            TypeError: the histogram has no key.
        """
        if isinstance(self._rows, ArrayRows):
            raise TypeError(f"histogram {self.map.name!r} has no key: its counts are `counts`")
        keys, rows = self._rows.rows()
        return keys, rows[:, : self._slots]

    def take(self) -> Hist | KeyedHist:
        """Return what was counted since the last :meth:`take` or :meth:`clear`, or since the start.

        Keys that saw nothing in between are left out.
        """
        if isinstance(self._rows, ArrayRows):
            return self._hist(self._rows.take())
        return self._keyed(self._rows.take(self._slots))

    def clear(self) -> None:
        """Begin again at nothing.

        A keyed histogram's keys are removed from the map, which makes room for others; what a
        program adds to a key in that moment may be lost. Without a key nothing can be.
        """
        self._rows.clear()

    def close(self) -> None:
        """Close the map and let go of its memory. Closing again does nothing."""
        self._rows.close()

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
        if not self._totals:
            return self.empty.counted(row, None)
        return self.empty.counted(row[:-1], row.item(-1))

    def _keyed(self, rows: dict[Any, NDArray[np.uint64]]) -> KeyedHist:
        return KeyedHist({key: self._hist(row) for key, row in rows.items()}, self.empty)
