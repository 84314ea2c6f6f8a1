"""Pieces of an address space that have names, found for many addresses at once.

Shapes below: ``n`` pieces, ``q`` addresses that are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime.symbols.frame import Frame

Numbers = NDArray[np.uint64]
Rows = NDArray[np.int64]


class Table:
    """Pieces with names, none of which overlaps another.

    Args:
        starts: ``(n,)``, in any order.
        ends: ``(n,)``, the first address behind each.
        name: gives the name of a piece by its row; asked once for each row that is hit.
        priority: ``(n,)``: where pieces overlap, the one with the greatest has the address. Without
            it that is the one which begins last: the innermost.

    Attributes:
        known: how many pieces there are.
    """

    def __init__(
        self,
        starts: Numbers,
        ends: Numbers,
        name: Callable[[int], str],
        priority: Rows | None = None,
    ) -> None:
        order = np.argsort(starts, kind="stable").astype(np.int64)
        ranks = np.arange(len(starts)) if priority is None else priority[order]
        self._starts, self._ends, self._rows = _apart(starts[order], ends[order], order, ranks)
        self._origins = starts
        self._name = name
        self._names: dict[int, str] = {}
        self.known = len(starts)

    def rows(self, addresses: Numbers) -> Rows:
        """Return the row of the piece that has each address, ``(q,)``; -1 where none has it."""
        if not len(self._starts):
            return np.full(len(addresses), -1, np.int64)
        at = np.searchsorted(self._starts, addresses, side="right") - 1
        found = (at >= 0) & (addresses < self._ends[at])
        return np.where(found, self._rows[at], -1)

    def frames(self, addresses: Numbers, places: Numbers, module: str) -> list[Frame]:
        """Return what is at addresses, ``(q,)``.

        Args:
            addresses: as the frames have them.
            places: the same, as the table counts.
            module: what the table is of.
        """
        asked = zip(addresses.tolist(), places.tolist(), self.rows(places).tolist(), strict=True)
        return [
            Frame(address, self.name(row), place - int(self._origins[row]), module)
            if row >= 0
            else Frame(address, "", place if module else 0, module)
            for address, place, row in asked
        ]

    def name(self, row: int) -> str:
        """Return the name of a piece."""
        if row not in self._names:
            self._names[row] = self._name(row)
        return self._names[row]


def _apart(
    starts: Numbers, ends: Numbers, rows: Rows, ranks: Rows
) -> tuple[Numbers, Numbers, Rows]:
    """Cut pieces, sorted by start, so that none overlaps another; most do not to begin with."""
    if len(starts) < 2:
        return starts, ends, rows
    furthest = np.maximum.accumulate(ends)
    inside = np.zeros(len(starts), bool)
    inside[1:] = starts[1:] < furthest[:-1]
    if not inside.any():
        return starts, ends, rows
    # A cluster is a piece that begins behind all before it, and those that begin inside of it.
    cluster = np.cumsum(~inside)
    crowded = np.isin(cluster, cluster[inside])
    cut = _cut(starts[crowded].tolist(), ends[crowded].tolist(), ranks[crowded].tolist())
    numbers = np.flatnonzero(crowded)
    more_starts = np.array([piece[0] for piece in cut], np.uint64)
    more_ends = np.array([piece[1] for piece in cut], np.uint64)
    more_rows = rows[numbers[[piece[2] for piece in cut]]]
    starts = np.concatenate([starts[~crowded], more_starts])
    order = np.argsort(starts, kind="stable")
    ends = np.concatenate([ends[~crowded], more_ends])[order]
    return starts[order], ends, np.concatenate([rows[~crowded], more_rows])[order]


def _cut(starts: list[int], ends: list[int], ranks: list[int]) -> list[tuple[int, int, int]]:
    """Give each address to the piece of the highest rank that holds it.

    Returns:
        pieces that do not overlap: start, end, number of the piece that it was cut from.
    """
    made: list[tuple[int, int, int]] = []
    waiting: list[tuple[int, int, int]] = []  # minus rank, end, number: those that have begun
    at = 0

    def until(limit: int) -> None:
        """Hand out what is between ``at`` and ``limit``."""
        nonlocal at
        while waiting and at < limit:
            _, end, number = waiting[0]
            if end <= at:
                heappop(waiting)
                continue
            stop = min(end, limit)
            made.append((at, stop, number))
            at = stop
        at = limit

    for number, (start, end, rank) in enumerate(zip(starts, ends, ranks, strict=True)):
        until(start)
        heappush(waiting, (-rank, end, number))
    until(max(ends))
    return made
