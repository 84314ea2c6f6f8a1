"""Rows of 64-bit cells in maps: what aggregates keep, one row for each CPU, and each key.

Without a key: a mmap-able array with a row for each possible CPU. With one: a per-CPU hash from the
key to a row.

Shapes below: ``n`` keys, ``c`` possible CPUs, ``w`` cells of a row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime.maps.array import ArrayMap, is_mmapable
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.hash import HashMap

Cells: TypeAlias = NDArray[np.uint64]
#: Makes one row of those of all CPUs: ``(…, c, w)`` gives ``(…, w)``, or fewer cells.
Combine: TypeAlias = Callable[[Any], Cells]

_CELL = np.dtype(np.uint64)


def summed(rows: Cells) -> Cells:
    """Add the rows of all CPUs up."""
    if rows.shape[-2] == 2:  # half of what a sum along an axis takes; of more it is more
        both: Cells = rows[..., 0, :] + rows[..., 1, :]
        return both
    total: Cells = np.add.reduce(rows, axis=-2)
    return total


def _reading(combine: Combine, live: Cells) -> Callable[[], Cells]:
    """Return what combines the rows of all CPUs as they are then, in memory of its own."""
    if combine is summed and len(live) == 2:  # no function of Python in between
        return partial(np.add, *live)
    return partial(combine, live)


def open_rows(
    map_: MapHandle, cells: int, combine: Combine, *, keyed: bool
) -> ArrayRows | KeyedRows:
    """Return the rows of an aggregate's map.

    Raises:
        ValueError: its values are shorter than a row.
        TypeError: it is a map of another kind.
    """
    if map_.spec.value_size < cells * 8 or map_.spec.value_size % 8:
        message = f"aggregate {map_.name!r} has {cells} cells of 8 bytes; its map's values have "
        raise ValueError(f"{message}{map_.spec.value_size} bytes")
    return (KeyedRows if keyed else ArrayRows)(map_, cells, combine)


class ArrayRows:
    """A row for each CPU, in an array."""

    def __init__(self, map_: MapHandle, cells: int, combine: Combine) -> None:
        if not isinstance(map_, ArrayMap):
            wrong = f"has no key, so its map is an array, not {map_.spec.kind}"
            raise TypeError(f"aggregate {map_.name!r} {wrong}")
        self._map = map_
        self._cells = cells
        self._combine = combine
        self._read = self._copied
        if is_mmapable(map_.spec):
            self._read = _reading(combine, _as_rows(map_, map_.view(), cells))
        self._cleared = np.zeros(cells, np.uint64)
        self._taken = self._cleared
        self._is_cleared = False

    def since_clear(self) -> Cells:
        """Return what was added since :meth:`clear`, of rows that are sums."""
        return self._read() - self._cleared if self._is_cleared else self._read()

    def take(self) -> Cells:
        """Return what was added since the last time, of rows that are sums."""
        row = self._read()
        before, self._taken = self._taken, row
        return row - before

    def clear(self) -> None:
        """Begin again at what is there now, of rows that are sums."""
        # Zeroing the memory instead would race with a CPU that is just adding to it.
        self._cleared = self._taken = self._read()
        self._is_cleared = True

    def row(self) -> Cells:
        """Return one row for all CPUs, in memory of its own."""
        return self._read()

    def _copied(self) -> Cells:
        """Return it of a map that is not to be mapped, or closed: the handle says that."""
        return self._combine(_as_rows(self._map, self._map.snapshot()[1], self._cells))

    def close(self) -> None:
        """Close the map and let go of its memory."""
        self._read = self._copied
        self._map.close()


class KeyedRows:
    """A row for each key and CPU, in a per-CPU hash."""

    def __init__(self, map_: MapHandle, cells: int, combine: Combine) -> None:
        if not isinstance(map_, HashMap):
            wrong = f"has a key, so its map is a hash, not {map_.spec.kind}"
            raise TypeError(f"aggregate {map_.name!r} {wrong}")
        self._map = map_
        self._cells = cells
        self._combine = combine
        self._taken: dict[Any, Cells] = {}

    def rows(self) -> tuple[list[Any], Cells]:
        """Return the keys, and for each one row for all CPUs.

        Shape:  ``(n, w)``.
        """
        keys, values = self._map.snapshot()
        rows = _as_rows(self._map, values, self._cells)
        rows = self._combine(rows.reshape(len(keys), self._map.layout.cpus or 1, self._cells))
        return self._map.layout.key.pythonic(keys), rows

    def since_clear(self) -> dict[Any, Cells]:
        """Return what was added to each key since :meth:`clear`."""
        return dict(zip(*self.rows(), strict=True))

    def take(self, counters: int) -> dict[Any, Cells]:
        """Return what was added to each key since the last time, of rows that are sums.

        Args:
            counters: how many cells, the first of a row, only grow.
        """
        rows = self.since_clear()
        before, self._taken = self._taken, rows
        new = {key: _since(row, before.get(key), counters) for key, row in rows.items()}
        return {key: row for key, row in new.items() if row[:counters].any()}

    def clear(self) -> None:
        """Remove all keys."""
        self._map.clear()
        self._taken = {}

    def close(self) -> None:
        """Close the map."""
        self._map.close()


def _since(row: Cells, earlier: Cells | None, counters: int) -> Cells:
    # A counter that went down: the key was removed, and a program has made it anew. A total says
    # nothing, for it may wrap.
    if earlier is None or (row[:counters] < earlier[:counters]).any():
        return row
    return row - earlier


def _as_rows(map_: MapHandle, values: NDArray[Any], cells: int) -> Cells:
    """Look at a map's values as rows, whatever type its object gave them."""
    if values.dtype != _CELL:
        values = values.view(_CELL)
    return values.reshape(-1, map_.spec.value_size // 8)[:, :cells]
