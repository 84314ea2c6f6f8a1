"""Histograms as values: counts and the edges of their slots.

Shapes below: ``n`` slots. Slot ``k`` holds ``edges[k] <= v < edges[k + 1]``; an infinite edge says
that the slot also collects everything beyond. How they are printed is in ``pyebpf.present.stars``,
how they are drawn in ``pyebpf.present.drawing``, one for each key in ``pyebpf.present.keyed``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyebpf.present import codec, drawing, jsonl, otlp, prometheus, stars
from pyebpf.spec.aggregates import log2_slots

Kind = Literal["log2", "linear"]

#: How a unit reads above a column.
UNIT_LABELS = {"ns": "nsecs", "us": "usecs", "ms": "msecs", "s": "secs", "": "value"}

#: How a frozen object is made of the fields of another.
_new, _set = object.__new__, object.__setattr__


class Quantile(NamedTuple):
    """A quantile of slotted values: an estimate, and the edges that it certainly lies between.

    The exact one is ``low`` at least, and less than ``high``.
    """

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """How far the exact quantile may be from ``value``, at most."""
        return max(self.value - self.low, self.high - self.value)


@dataclass(frozen=True, eq=False, repr=False)
class Hist:
    """How often values fell into each slot. Adding and subtracting lose nothing.

    Attributes:
        counts: values seen in each slot.
        edges: where the slots begin and end.
        unit: of the values, such as ``"us"``.
        total: sum of the values, where it was kept; else None.
        kind: ``"log2"``: slot 0 holds 0 and 1, slot ``k`` holds ``2**k <= v < 2**(k + 1)``;
            ``"linear"``: slots of one width.
        sub_buckets: into how many slots of one width each power of two is divided (log2). If that
            is more than 1, values below twice as much have a slot each.

    >>> seen = Hist.log2([0, 2, 1, 5], unit="us")
    >>> seen.count
    8
    >>> (seen + seen).count
    16
    >>> seen.coarser().counts[:4].tolist()
    [0, 2, 1, 5]

    Shape:  counts ``(n,)`` of uint64, edges ``(n + 1,)`` of float64.
    Units:  edges and total: ``unit``.
    """

    counts: NDArray[np.uint64]
    edges: NDArray[np.float64]
    unit: str = ""
    total: int | None = None
    kind: Kind = "log2"
    sub_buckets: int = 1

    @classmethod
    def log2(
        cls, counts: Any, unit: str = "", total: int | None = None, *, sub_buckets: int = 1
    ) -> Hist:
        """Make a histogram of power-of-two slots, divided or not.

        >>> Hist.log2([0, 2, 1], unit="us").edges[:4].tolist()
        [0.0, 2.0, 4.0, 8.0]

        Args:
            counts: how often a value was in each slot, ``(n,)``; slots that are left out are 0.
            unit: of the values, ``"us"``.
            total: the sum of the values, if it is known.
            sub_buckets: equal parts of each power of two: 1, 2, 4, ….

        Raises:
            ValueError: there are more counts than 64-bit values have slots, or not one row of them.
        """
        counts = _checked_counts(counts)
        edges = log2_edges(len(counts), sub_buckets)
        return cls(counts, edges, unit, total, "log2", sub_buckets)

    @classmethod
    def linear(
        cls, counts: Any, unit: str = "", total: int | None = None, *, low: int = 0, step: int = 1
    ) -> Hist:
        """Make a histogram of slots of width ``step``, the first of which begins at ``low``.

        The last slot collects all larger values; unless ``low`` is 0, the first collects all
        smaller ones.

        >>> Hist.linear([1, 2, 3], low=10, step=5).edges.tolist()
        [-inf, 15.0, 20.0, inf]

        Args:
            counts: how often a value was in each slot, ``(n,)``.
            unit: of the values, ``"us"``.
            total: the sum of the values, if it is known.
            low: where the first slot begins, in units.
            step: how wide each is, in units.
        """
        counts = _checked_counts(counts)
        return cls(counts, linear_edges(len(counts), low, step), unit, total, "linear")

    def counted(self, counts: NDArray[np.uint64], total: int | None) -> Hist:
        """Return a histogram of the same shape that has seen something else.

        Args:
            counts: how often a value was in each slot, ``(n,)``.
            total: the sum of the values, in units; None if it is not known.
        """
        # A snapshot should cost about as much as its sum; a frozen dataclass's __init__ costs more.
        fields = self.__dict__.copy()
        fields["counts"], fields["total"] = counts, total
        other = _new(Hist)
        _set(other, "__dict__", fields)
        return other

    @property
    def count(self) -> int:
        """How many values were seen."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        """The average of the values; None where no total was kept, or nothing was seen."""
        count = self.count
        return self.total / count if self.total is not None and count else None

    def quantile(self, q: float) -> Quantile | None:
        """Return the value below which the share ``q`` of the values lies; None of nothing.

        >>> Hist.log2([0, 2, 1, 5]).quantile(0.5)
        Quantile(value=9.6, low=8.0, high=16.0)

        Units:  the values': ``unit``.

        Raises:
            ValueError: ``q`` is not between 0 and 1.
        """
        if not 0 <= q <= 1:
            raise ValueError(f"a quantile is asked for by a number from 0 to 1, not {q}")
        count = self.count
        if not count:
            return None
        rank = max(1, math.ceil(q * count))
        ends = np.cumsum(self.counts)
        slot = int(np.searchsorted(ends, rank))
        low, high = float(self.edges[slot]), float(self.edges[slot + 1])
        inside = (rank - int(ends[slot]) + int(self.counts[slot])) / int(self.counts[slot])
        return Quantile(_between(low, high, inside), low, high)

    def __add__(self, other: Hist) -> Hist:
        """Merge: as if both had been one histogram from the start."""
        if not isinstance(other, Hist):
            return NotImplemented
        self.check_mergeable(other)
        known = self.total is not None and other.total is not None
        total = (self.total or 0) + (other.total or 0) if known else None
        return self.counted(self.counts + other.counts, total)

    def __sub__(self, other: Hist) -> Hist:
        """Return what came after ``other``, an earlier state of the same histogram."""
        if not isinstance(other, Hist):
            return NotImplemented
        self.check_mergeable(other)
        if (self.counts < other.counts).any():
            slot = int(np.argmax(self.counts < other.counts))
            message = f"slot {slot} holds {self.counts[slot]}, and {other.counts[slot]} before: "
            raise ValueError(message + "subtract the earlier histogram from the later one")
        known = self.total is not None and other.total is not None
        total = (self.total or 0) - (other.total or 0) if known else None
        return self.counted(self.counts - other.counts, total)

    def coarser(self, sub_buckets: int = 1) -> Hist:
        """Return the same counts in fewer slots: each power of two divided into ``sub_buckets``.

        Raises:
            ValueError: it is linear, or divided into fewer slots already.
        """
        if self.kind != "log2" or sub_buckets > self.sub_buckets:
            raise ValueError(
                f"{self._slots_described()} are not made of {sub_buckets} for each power"
            )
        if sub_buckets == self.sub_buckets:
            return self
        edges = log2_edges(log2_slots(sub_buckets), sub_buckets)
        counts = np.zeros(len(edges) - 1, np.uint64)
        np.add.at(counts, np.searchsorted(edges, self.edges[:-1], "right") - 1, self.counts)
        return Hist(counts, edges, self.unit, self.total, "log2", sub_buckets)

    def check_mergeable(self, other: Hist) -> None:
        """Refuse a histogram of another shape.

        Raises:
            ValueError: its unit or its slots are others.
        """
        if self.unit != other.unit:
            message = (
                f"one histogram is in {self.unit!r}, the other in {other.unit!r}: convert first"
            )
            raise ValueError(message)
        if self.edges is not other.edges and not np.array_equal(self.edges, other.edges):
            faults = f"{self._slots_described()}, the other {other._slots_described()}"
            finer = self.kind == other.kind == "log2" and self.sub_buckets != other.sub_buckets
            least = min(self.sub_buckets, other.sub_buckets)
            advice = f": merge what coarser({least}) gives of both" if finer else ""
            raise ValueError(f"the slots differ: one histogram has {faults}{advice}")

    def _slots_described(self) -> str:
        width = f" of {self.edges[2] - self.edges[1]:g}" if len(self.edges) > 2 else ""
        divided = f" ({self.sub_buckets} for each power)" if self.sub_buckets > 1 else ""
        shape = f"log2 slots{divided}" if self.kind == "log2" else f"linear slots{width}"
        return f"{len(self.counts)} {shape} from {self.edges[0]:g}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hist):
            return NotImplemented
        same = (self.unit, self.total, self.kind) == (other.unit, other.total, other.kind)
        return (
            same
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.edges, other.edges)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays may be written by who made them

    def label(self) -> str:
        """Say the unit as the head of a column: ``"usecs"`` for ``"us"``."""
        return UNIT_LABELS.get(self.unit, self.unit)

    def render(self, label: str | None = None, *, strip_leading_zeros: bool = False) -> str:
        """Draw with stars, as BCC does. Nothing seen gives the empty string.

        Args:
            label: head of the value column; the unit by default.
            strip_leading_zeros: begin at the first slot that holds something (log2 only).
        """
        label = self.label() if label is None else label
        if self.kind == "log2" and self.sub_buckets == 1:
            return stars.log2(self.counts.tolist(), label, strip_leading_zeros)
        return stars.linear(*self._drawn(), label)

    def _drawn(self) -> tuple[list[int], list[float]]:
        """Return the counts and edges to show: of hundreds of slots, empty ones as one row."""
        counts, edges = self.counts.tolist(), self.edges.tolist()
        if self.sub_buckets == 1 or not any(counts):
            return counts, edges
        used = [count > 0 for count in counts]
        starts = [slot for slot in range(len(counts)) if used[slot] or slot == 0 or used[slot - 1]]
        starts = starts if counts[0] else starts[1:]  # nothing is to be seen before the first
        return [counts[slot] for slot in starts], [*(edges[slot] for slot in starts), edges[-1]]

    def to_dict(self, label: str | None = None, *, ts: str | None = None) -> dict[str, Any]:
        """Return the form of BCC's ``biolatency -j``: each slot's first and last value and count.

        Args:
            label: what BCC calls ``val_type``; the unit by default.
            ts: a time to put in, as text.

        Returns:
            ``ts`` if given, ``val_type``, ``data``, and ``total`` if known. An interval without an
            end has None there.
        """
        head: dict[str, Any] = {} if ts is None else {"ts": ts}
        head["val_type"] = self.label() if label is None else label
        head["data"] = self._intervals()
        return head if self.total is None else {**head, "total": self.total}

    def to_rows(self) -> list[dict[str, int | None]]:
        """Return each slot's first and last value, and its count: ``low``, ``high``, ``count``.

        A slot without an end has None as ``high``.
        """
        names = ("low", "high", "count")
        return [dict(zip(names, slot.values(), strict=True)) for slot in self._intervals()]

    def _intervals(self) -> list[dict[str, int | None]]:
        used = _used(self.counts)
        edges = [
            int(edge) if math.isfinite(edge) else None for edge in self.edges.tolist()[: used + 1]
        ]
        return [
            {
                "interval-start": edges[slot],
                "interval-end": None if (end := edges[slot + 1]) is None else end - 1,
                "count": count,
            }
            for slot, count in enumerate(self.counts[:used].tolist())
        ]

    def to_json(self) -> str:
        """Return all of it as a line of JSON, for :meth:`from_json` on another machine."""
        return codec.dumps("hist", self.to_data())

    def to_data(self) -> dict[str, Any]:
        """Return all of it as what JSON knows."""
        edges = None  # what the other words say
        if self.kind == "linear":
            edges = [int(edge) if math.isfinite(edge) else None for edge in self.edges.tolist()]
        head = {"kind": self.kind, "unit": self.unit, "total": self.total, "edges": edges}
        return {**head, "sub_buckets": self.sub_buckets, "counts": self.counts.tolist()}

    @classmethod
    def from_json(cls, text: str) -> Hist:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return codec.loads("hist", text, cls.from_data)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Hist:
        """Return what :meth:`to_data` gave.

        Raises:
            ValueError: it is no such form.
        """
        counts, unit, total = _checked_counts(data["counts"]), data["unit"], data["total"]
        if data["kind"] == "log2":
            return cls.log2(counts, unit, total, sub_buckets=data["sub_buckets"])
        first, *inner, last = data["edges"]
        outer = (-math.inf if first is None else first, math.inf if last is None else last)
        edges = _read_only(np.array([outer[0], *inner, outer[1]], np.float64))
        if len(edges) != len(counts) + 1:
            raise ValueError(f"{len(counts)} slots have {len(counts) + 1} edges, not {len(edges)}")
        return cls(counts, edges, unit, total, "linear")

    def prometheus(
        self, name: str, labels: Mapping[str, object] | None = None, *, to: str | None = None
    ) -> str:
        """Return it in Prometheus' text format: see :func:`pyebpf.present.prometheus.histogram`.

        ``NAME_sum`` is there if totals were kept.
        """
        return prometheus.histogram(name, [(labels or {}, self)], to=to)

    def otlp(
        self,
        name: str,
        attributes: Mapping[str, object] | None = None,
        *,
        form: otlp.Form = "explicit",
        **times: int,
    ) -> dict[str, Any]:
        """Return it as a metric of OTLP's JSON: see :func:`pyebpf.present.otlp.histogram`."""
        return otlp.histogram(name, [(attributes or {}, self)], form=form, **times)

    def to_json_line(self, label: str | None = None, *, ts: str | None = None) -> str:
        """Return :meth:`to_dict` as one line of JSON."""
        return jsonl.line(self.to_dict(label, ts=ts))

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        mean = self.mean
        average = "" if mean is None else f", mean={mean:.6g}"
        unit = f", unit={self.unit!r}" if self.unit else ""
        return f"<Hist {self.kind} count={self.count}{average}{unit}>"

    def _repr_html_(self) -> str:
        return drawing.figure([drawing.histogram(*self.bars(), self.label())], self.summed())

    def bars(self) -> tuple[list[str], list[int]]:
        """Name and count the slots, from the first to the last that holds something."""
        counts, edges = self._drawn()
        used = _used(np.array(counts))
        first = next((slot for slot, count in enumerate(counts) if count), 0)
        return stars.slot_names(edges[first : used + 1]), counts[first:used]

    def summed(self) -> str:
        """Say in a line how many values there are, their mean where it is known, and quantiles."""
        if not self.count:
            return ""
        median, tail = self.quantile(0.5), self.quantile(0.99)
        assert median is not None  # something was seen
        assert tail is not None
        mean = "" if self.mean is None else f", mean {self._said(self.mean)}"
        below = f"about half below {self._said(median.value)}, 99 % below {self._said(tail.value)}"
        return f"{self.count:,} value{'s' * (self.count != 1)}{mean}, {below}"

    def _said(self, value: float) -> str:
        rounded = float(f"{value:.4g}")
        number = f"{rounded:,.0f}" if abs(rounded) >= 1_000 else f"{rounded:g}"
        return f"{number} {self.unit}".rstrip()


def _used(counts: NDArray[np.uint64]) -> int:
    """Return how many slots there are up to the last that holds something."""
    used = np.flatnonzero(counts)
    return int(used[-1]) + 1 if len(used) else 0


def _between(low: float, high: float, share: float) -> float:
    if math.isinf(high):
        return low
    return high if math.isinf(low) else low + (high - low) * share


def _checked_counts(counts: Any) -> NDArray[np.uint64]:
    array = np.asarray(counts)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"counts are one row of slots, not an array of shape {array.shape}")
    if array.dtype.kind not in "ui" or (array.dtype.kind == "i" and (array < 0).any()):
        raise ValueError("counts are whole numbers from 0 up")
    return array.astype(np.uint64)


@cache
def log2_edges(slots: int, sub_buckets: int = 1) -> NDArray[np.float64]:
    """Return 0, 2, 4, 8, …: the edges of power-of-two slots, read-only.

    Divided into 4, they are 0, 1, 2, … 8, 10, 12, 14, 16, 20, ….

    Raises:
        ValueError: more slots than a 64-bit value can fall into, or ``sub_buckets`` is no power of
            two.
    """
    bits = sub_buckets.bit_length() - 1
    if sub_buckets < 1 or sub_buckets != 1 << bits:
        raise ValueError(f"a power of two is divided into 1, 2, 4, … slots, not {sub_buckets}")
    most = log2_slots(sub_buckets)
    if not 0 < slots <= most:
        raise ValueError(f"a log2 histogram has 1 to {most} slots, not {slots}")
    if not bits:
        edges = np.ldexp(1.0, np.arange(slots + 1))
        edges[0] = 0
        return _read_only(edges)
    # Slot ``n`` begins at the number whose leading bits are ``1`` and the last ``bits`` of ``n``.
    power, part = np.divmod(np.arange(slots + 1), sub_buckets)
    edges = np.ldexp(part + np.where(power > 0, float(sub_buckets), 0.0), np.maximum(power - 1, 0))
    return _read_only(edges)


@cache
def linear_edges(slots: int, low: int, step: int) -> NDArray[np.float64]:
    """Return the edges of slots of one width, read-only.

    The last is infinite, for that slot collects all larger values; so is the first, downwards,
    unless ``low`` is 0.

    Raises:
        ValueError: ``step`` or ``slots`` is below 1.
    """
    if slots < 1 or step < 1:
        raise ValueError(
            f"a linear histogram has 1 slot or more of width 1 or more, not {slots}, {step}"
        )
    edges = low + step * np.arange(slots + 1, dtype=np.float64)
    edges[-1] = math.inf
    if low:
        edges[0] = -math.inf
    return _read_only(edges)


def _read_only(edges: NDArray[np.float64]) -> NDArray[np.float64]:
    edges.flags.writeable = False
    return edges
