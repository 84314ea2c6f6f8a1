"""Counts, sums, averages, extremes in maps: a row has a cell for each part, extremes have several.

Shapes below: ``n`` keys, ``c`` possible CPUs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.owner import Owner
from pyebpf.present.summary import Summary, SummaryTable, column_dtype
from pyebpf.runtime.maps.rows import ArrayRows, Cells, KeyedRows, open_rows, summed
from pyebpf.spec.aggregates import COPIES

if TYPE_CHECKING:
    from pyebpf.runtime.maps.base import MapHandle
    from pyebpf.spec.aggregates import SummarySpec


class SummaryView(Owner):
    """What programs count, add up, or keep the extremes of, read from Python.

    Reading never writes to the map, so nothing is ever lost: :meth:`take` and :meth:`clear`
    remember where they were. Only :meth:`clear` of what has keys removes them, which gives their
    room back.

    Attributes:
        map: the map that holds it.
        shape: what is kept.

    Units:  as ``shape.unit`` says.
    """

    def __init__(self, map: MapHandle, shape: SummarySpec) -> None:  # noqa: A002
        self.map = map
        self.shape = shape
        combine = self._combined if shape.extremes else summed
        self._rows = open_rows(map, shape.cells, combine, keyed=shape.key is not None)

    @property
    def is_keyed(self) -> bool:
        """Whether there is a summary for each key."""
        return isinstance(self._rows, KeyedRows)

    def snapshot(self) -> Summary | SummaryTable:
        """Return what was added since the program was loaded, or since :meth:`clear`.

        A value that is being added just now may be in one of the numbers and not yet in another.

        Cost: a few microseconds and no system call without a key; else one read of the map.
        """
        if isinstance(self._rows, ArrayRows):
            return self._summary(self._rows.since_clear())
        return self._table(*self._rows.rows())

    def take(self) -> Summary | SummaryTable:
        """Return what was added since the last :meth:`take` or :meth:`clear`, or since the start.

        Keys to which nothing was added in between are left out.

        Raises:
            TypeError: extremes are kept, which do not tell when they were seen.
        """
        self._need_sums("take()")
        if isinstance(self._rows, ArrayRows):
            return self._summary(self._rows.take())
        taken = self._rows.take(self.shape.cells)
        cells = np.array([*taken.values()], np.uint64).reshape(len(taken), self.shape.cells)
        return self._table([*taken], cells)

    def clear(self) -> None:
        """Begin again at nothing.

        With keys they are removed from the map, which makes room for others; what a program adds
        to a key in that moment may be lost. Without a key nothing can be.

        Raises:
            TypeError: extremes are kept without a key.
        """
        if not self.is_keyed:
            self._need_sums("clear()")
        self._rows.clear()

    def close(self) -> None:
        """Close the map and let go of its memory. Closing again does nothing."""
        self._rows.close()

    @property
    def value(self) -> Any:
        """The number that it is about, over all keys: a count, a sum, a mean, an extreme."""
        return self._whole().value

    def top(self, n: int, by: str | None = None) -> SummaryTable:
        """Return the ``n`` greatest rows of a snapshot: see :meth:`.SummaryTable.top`.

        Raises:
            TypeError: there are no keys.
        """
        shown = self.snapshot()
        if isinstance(shown, Summary):
            raise TypeError(f"{self.shape.kind} {self.map.name!r} has no keys to choose from")
        return shown.top(n, by)

    def __str__(self) -> str:
        return str(self.snapshot())

    def __repr__(self) -> str:
        return f"<SummaryView {self.map.name!r} {self._whole()}>"

    def _repr_html_(self) -> str:
        return self.snapshot()._repr_html_()

    def _whole(self) -> Summary:
        shown = self.snapshot()
        return shown if isinstance(shown, Summary) else shown.total()

    def _need_sums(self, verb: str) -> None:
        if self.shape.extremes:
            advice = "use snapshot(), or a key or a TimeSeries for what changes with time"
            kind = f"{self.shape.kind} {self.map.name!r}"
            raise TypeError(f"{verb}: {kind} does not tell when its extremes were seen: {advice}")

    def _combined(self, rows: Any) -> Cells:
        """Join the rows of all CPUs: add, or take the greatest; ``(…, c, w)`` gives ``(…, w)``."""
        rows = np.array(rows)
        added = len(self.shape.added)
        total: Cells = np.maximum.reduce(rows, axis=-2)
        total[..., :added] = np.add.reduce(rows[..., :added], axis=-2)
        return total

    def _column(self, cells: Cells, part: str) -> NDArray[Any]:
        """Return a part of all rows: ``(n, w)`` gives ``(n,)``."""
        kind = column_dtype(part, signed=self.shape.signed)
        if part in self.shape.added:
            return cells[:, self.shape.cell(part)].astype(kind)
        copies = [cells[:, self.shape.cell(part, copy)] for copy in range(COPIES)]
        greatest = np.maximum.reduce(copies)
        decoded: NDArray[Any] = (greatest ^ np.uint64(self.shape.mask(part))).astype(kind)
        return decoded

    def _summary(self, row: Cells) -> Summary:
        cells = row[np.newaxis]
        values = {part: self._column(cells, part)[0].item() for part in self.shape.parts}
        if not values.get("count", 1):
            values.update(dict.fromkeys(self.shape.extremes))
        return Summary(self.shape.kind, self.shape.unit, **values, signed=self.shape.signed)

    def _table(self, keys: list[Any], cells: Cells) -> SummaryTable:
        shape = self.shape
        if "count" in shape.parts:
            # A key that was just made, before the value was added, has no least and no mean.
            seen = cells[:, shape.cell("count")] > 0
            keys, cells = (
                [key for key, there in zip(keys, seen.tolist(), strict=True) if there],
                cells[seen],
            )
        columns = {part: self._column(cells, part) for part in shape.parts}
        return SummaryTable(shape.kind, keys, columns, shape.unit, signed=shape.signed)
