"""What was added in each step of time, as values: one series, or one for each key.

Shapes below: ``n`` steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.present import codec, drawing, jsonl, otlp, stars
from pyebpf.present.escape import printable

#: The clock whose step 0 begins with 1970, on every machine.
UTC = "utc"
_NS_PER_S = 1_000_000_000
#: How many drawings a notebook shows before it says how many more there are.
_DRAWN = 12


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """Counts and sums by steps of time. Adding is merging: step by step, losing nothing.

    Attributes:
        first: the number of the first step; ``clock`` says since when they are counted.
        counts: how many values were added in each step.
        sums: what they add up to.
        step_ns: how long a step is.
        unit: of the values.
        clock: ``"utc"``, or the boot whose clock it is.
        origin_ns: when step 0 of that clock began.

    Shape:  counts ``(n,)`` of uint64; sums ``(n,)``, of int64 where values may be negative.
    Units:  sums: ``unit``; origin_ns: nanoseconds since 1970.
    """

    first: int
    counts: NDArray[np.uint64]
    sums: NDArray[Any]
    step_ns: int
    unit: str = ""
    clock: str = UTC
    origin_ns: int = 0

    @property
    def count(self) -> int:
        """How many values were added, over all steps."""
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        """What they add up to."""
        return sum(self.sums.tolist())

    @property
    def starts_ns(self) -> NDArray[np.int64]:
        """When each step began.

        Shape:  ``(n,)``.
        Units:  nanoseconds since 1970.
        """
        numbers = self.first + np.arange(len(self.counts), dtype=np.int64)
        return numbers * self.step_ns + self.origin_ns

    @property
    def rates(self) -> NDArray[np.float64]:
        """How many values were added in each second of a step.

        Shape:  ``(n,)``.
        """
        return self.counts.astype(np.float64) * (_NS_PER_S / self.step_ns)

    def aligned(self) -> Series:
        """Return it by steps of UTC, as other hosts can: each step's numbers where it began.

        Counts and sums stay as they are; the time of a value is off by less than a step.
        """
        first = (self.first * self.step_ns + self.origin_ns) // self.step_ns
        return replace(self, first=first, clock=UTC, origin_ns=0)

    def __add__(self, other: Series) -> Series:
        """Merge step by step.

        Raises:
            ValueError: steps, units or clocks differ.
        """
        if not isinstance(other, Series):
            return NotImplemented
        self._check_mergeable(other)
        first = min(self.first, other.first)
        length = max(one.first + len(one.counts) for one in (self, other)) - first
        counts, sums = np.zeros(length, np.uint64), np.zeros(length, self.sums.dtype)
        for one in (self, other):
            here = slice(one.first - first, one.first - first + len(one.counts))
            counts[here] += one.counts
            sums[here] += one.sums
        return replace(self, first=first, counts=counts, sums=sums)

    def _check_mergeable(self, other: Series) -> None:
        if (self.unit, self.sums.dtype) != (other.unit, other.sums.dtype):
            units = f"one is of {self.unit!r} ({self.sums.dtype})"
            raise ValueError(f"{units}, the other of {other.unit!r} ({other.sums.dtype})")
        if self.step_ns != other.step_ns:
            raise ValueError(f"steps of {self.step_ns} and of {other.step_ns} ns have no sum")
        if self.clock != other.clock:
            message = "they count time by the clocks of two machines: merge what aligned() gives"
            raise ValueError(message)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series):
            return NotImplemented
        ours = (self.first, self.step_ns, self.unit, self.clock)
        return (
            ours == (other.first, other.step_ns, other.unit, other.clock)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.sums, other.sums)
        )

    __hash__ = None  # type: ignore[assignment]

    def render(self) -> str:
        """Draw a line for each step: when it began (UTC), the count, a bar."""
        return stars.steps(self._times(), self.counts.tolist())

    def _times(self) -> list[str]:
        digits = 0 if self.step_ns % _NS_PER_S == 0 else 3
        return [_clock_time(start, digits) for start in self.starts_ns.tolist()]

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<Series {len(self.counts)} steps of {self.step_ns} ns, count={self.count}>"

    def _repr_html_(self) -> str:
        return drawing.figure([self.drawn("values")], kind="series")

    def drawn(self, title: str) -> str:
        """Return the counts as a drawing."""
        seconds = f"{self.step_ns / _NS_PER_S:g} s"
        return drawing.columns(self._times(), self.counts.tolist(), f"{title} in {seconds} (UTC)")

    def to_dict(self) -> list[dict[str, Any]]:
        """Return each step: ``start`` in seconds since 1970, ``count``, ``sum``."""
        rows = zip(self.starts_ns.tolist(), self.counts.tolist(), self.sums.tolist(), strict=True)
        return [{"start": start / _NS_PER_S, "count": n, "sum": total} for start, n, total in rows]

    def to_json_lines(self) -> str:
        """Return :meth:`to_dict` as JSON, one step in each line."""
        return "\n".join(map(jsonl.line, self.to_dict()))

    def to_json(self) -> str:
        """Return all of it as a line of JSON, for :meth:`from_json` on another machine."""
        return codec.dumps("series", self._data())

    def _data(self) -> dict[str, Any]:
        plain = ("first", "step_ns", "unit", "clock", "origin_ns")
        lists = {"counts": self.counts.tolist(), "sums": self.sums.tolist()}
        signed = self.sums.dtype.kind == "i"
        return {**{name: getattr(self, name) for name in plain}, **lists, "signed": signed}

    @classmethod
    def from_json(cls, text: str) -> Series:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return codec.loads("series", text, cls._made)

    @classmethod
    def _made(cls, data: dict[str, Any]) -> Series:
        kind = np.int64 if data.pop("signed") else np.uint64
        counts, sums = data.pop("counts"), data.pop("sums")
        return cls(counts=np.array(counts, np.uint64), sums=np.array(sums, kind), **data)

    def otlp(self, name: str, attributes: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return the sums as a metric of OTLP's JSON, of a ``name`` and ``attributes``.

        See :mod:`pyebpf.present.otlp`.
        """
        return otlp.series(name, [(attributes or {}, self)])


class KeyedSeries(Mapping[Any, Series]):
    """A series for each key.

    Attributes:
        section: what a key is, for the line above each series.
        format_key: makes text of a key.
    """

    def __init__(
        self,
        series: Mapping[Any, Series],
        *,
        section: str = "key",
        format_key: Callable[[Any], object] = str,
    ) -> None:
        self._series: dict[Any, Series] = dict(series)
        self.section, self.format_key = section, format_key

    def __getitem__(self, key: Any) -> Series:
        return self._series[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<KeyedSeries {len(self)} keys>"

    def top(self, n: int) -> KeyedSeries:
        """Keep the ``n`` keys that have counted the most values, the busiest first."""
        order = sorted(self._series.items(), key=lambda item: item[1].count, reverse=True)
        return self._like(dict(order[:n]))

    def __add__(self, other: KeyedSeries) -> KeyedSeries:
        """Merge key by key, step by step, losing nothing."""
        if not isinstance(other, KeyedSeries):
            return NotImplemented
        merged = dict(self._series)
        for key, one in other.items():
            merged[key] = merged[key] + one if key in merged else one
        return self._like(merged)

    def _like(self, series: Mapping[Any, Series]) -> KeyedSeries:
        return KeyedSeries(series, section=self.section, format_key=self.format_key)

    def _head(self, key: Any) -> str:
        return f"{printable(self.section)} = {printable(self.format_key(key))}"

    def render(self) -> str:
        """Draw each series under an empty line and ``section = key``."""
        return "\n".join(f"\n{self._head(key)}\n{one.render()}" for key, one in self.items())

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        drawings = [one.drawn(self._head(key)) for key, one in [*self.top(_DRAWN).items()]]
        more = len(self) - _DRAWN
        under = f"and {more} more, less busy" if more > 0 else ""
        return drawing.figure(drawings, under, kind="series")

    def otlp(self, name: str, attributes: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return all as one metric of OTLP's JSON, the key one of the ``attributes``."""
        own, form = attributes or {}, self.format_key
        rows = [({**own, self.section: printable(form(key))}, one) for key, one in self.items()]
        return otlp.series(name, rows)


def _clock_time(start_ns: int, digits: int) -> str:
    seconds, rest = divmod(start_ns, _NS_PER_S)
    text = time.strftime("%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{rest // 10 ** (9 - digits):0{digits}}" if digits else text
