"""Time series in maps: a row is a ring of buckets, each for a step of the kernel's clock.

Shapes below: ``n`` keys, ``c`` possible CPUs, ``b`` buckets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pyebpf.owner import Owner
from pyebpf.present.series import KeyedSeries, Series
from pyebpf.runtime.maps.rows import ArrayRows, Cells, open_rows
from pyebpf.spec.aggregates import BUCKET

if TYPE_CHECKING:
    from pyebpf.runtime.maps.base import MapHandle
    from pyebpf.spec.aggregates import SeriesSpec


class Clock(NamedTuple):
    """The clock whose steps are counted.

    Attributes:
        name: tells it from the clocks of other machines.
        now_ns: reads it.
        origin_ns: when it was 0, in nanoseconds since 1970.
    """

    name: str
    now_ns: Callable[[], int]
    origin_ns: int


def kernel_clock() -> Clock:
    """Return the clock of ``bpf_ktime_get_ns``: since boot, without the time in suspension."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        boot = file.read().strip()
    return Clock(boot, time.monotonic_ns, time.time_ns() - time.monotonic_ns())


class SeriesView(Owner):
    """What programs add in each step of time, read from Python. Reading never writes to the map.

    Attributes:
        map: the map that holds it.
        shape: how long a step is, how many are kept.
        clock: whose steps they are.
    """

    def __init__(self, map: MapHandle, shape: SeriesSpec, clock: Clock | None = None) -> None:  # noqa: A002
        self.map = map
        self.shape = shape
        self.clock = clock or kernel_clock()
        self._rows = open_rows(map, shape.cells, self._apart, keyed=shape.key is not None)

    def snapshot(self) -> Series | KeyedSeries:
        """Return the last steps, from the first in which something was added up to now.

        The last one is not over; the one before may still get what a program was just adding.
        """
        if isinstance(self._rows, ArrayRows):
            row = self._rows.row()
            return self._series(row, self._now())
        keys, rows = self._rows.rows()
        now = self._now()  # after the copy: no bucket of a step before it is too old then
        return KeyedSeries(
            {key: self._series(row, now) for key, row in zip(keys, rows, strict=True)}
        )

    def top(self, n: int) -> KeyedSeries:
        """Return the ``n`` busiest keys of a snapshot.

        Raises:
            TypeError: there are no keys.
        """
        shown = self.snapshot()
        if isinstance(shown, Series):
            raise TypeError(f"series {self.map.name!r} has no keys to choose from")
        return shown.top(n)

    def close(self) -> None:
        """Close the map and let go of its memory. Closing again does nothing."""
        self._rows.close()

    def __str__(self) -> str:
        return str(self.snapshot())

    def __repr__(self) -> str:
        seconds = self.shape.step_ns / 1e9
        return f"<SeriesView {self.map.name!r} {self.shape.buckets} steps of {seconds:g} s>"

    def _repr_html_(self) -> str:
        return self.snapshot()._repr_html_()

    def _now(self) -> int:
        return self.clock.now_ns() // self.shape.step_ns

    @staticmethod
    def _apart(rows: Any) -> Cells:
        # Each CPU's buckets may be those of other steps: they are joined by the step.
        return np.array(rows)

    def _series(self, rows: Cells, now: int) -> Series:
        """Join the rings of all CPUs: ``(c, w)``, of which each row is a ring ``(b, 5)``."""
        shape = self.shape
        buckets = rows.reshape(-1, len(BUCKET))
        turn, count, total, count_before, total_before = buckets.T
        counts, sums = count - count_before, total - total_before
        there = (turn + np.uint64(shape.buckets) > now) & (turn <= now) & (counts > 0)
        first = int(turn[there].min()) if there.any() else now + 1
        steps = (turn[there] - np.uint64(first)).astype(np.intp)
        kind = np.int64 if shape.signed else np.uint64
        out = np.zeros(now + 1 - first, np.uint64), np.zeros(now + 1 - first, np.uint64)
        np.add.at(out[0], steps, counts[there])
        np.add.at(out[1], steps, sums[there])
        origin = self.clock.origin_ns
        made = out[0], out[1].astype(kind)
        return Series(first, *made, shape.step_ns, shape.unit, self.clock.name, origin)
