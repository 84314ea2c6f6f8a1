"""Taking times on a machine where others work too: the least is the figure, the rest is noise."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Sample(NamedTuple):
    """What was measured: the values, in the unit of the row that they stand in."""

    values: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.values)

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def most(self) -> float:
        return max(self.values)

    def scaled(self, factor: float) -> Sample:
        return Sample(tuple(value * factor for value in self.values))


def sample(values: Iterable[float]) -> Sample:
    return Sample(tuple(values))


def timed(
    run: Callable[[], object],
    times: int,
    *,
    loops: int = 1,
    before: Callable[[], object] | None = None,
) -> Sample:
    """Run something ``times`` times ``loops`` times, and return seconds for one run.

    Garbage is collected in between and not meanwhile, as ``timeit`` does it.
    """
    values = []
    for _ in range(times):
        if before is not None:
            before()
        gc.collect()
        gc.disable()
        try:
            begin = time.perf_counter_ns()
            for _ in range(loops):
                run()
            values.append((time.perf_counter_ns() - begin) / loops / 1e9)
        finally:
            gc.enable()
    return sample(values)
