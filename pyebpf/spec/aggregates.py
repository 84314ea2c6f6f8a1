"""How an aggregate lies in its map: rows of 64-bit cells, one row for each possible CPU (and key).

A program adds into the row of its own CPU, so CPUs do not wait for each other; it may be
interrupted there by another program, so every change is one that nothing can come between. Each
class below says what the cells of a row are; ``pyebpf.dsl.lower.aggregates`` changes them, the
views read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.spec.types import DataType

CELL = 8
#: Rows of an array begin on cache lines of their own, so no CPU takes another's away.
_LINE = 8

#: What is kept for each kind of summary, in the order of the cells.
PARTS: dict[str, tuple[str, ...]] = {
    "count": ("count",),
    "sum": ("sum",),
    "min": ("count", "min"),
    "max": ("count", "max"),
    "average": ("count", "sum"),
    "stats": ("count", "sum", "min", "max"),
}
EXTREMES = ("min", "max")
#: How often an extreme is kept, for kernels without compare-and-exchange: one more than the
#: programs that can be interrupted on a CPU at once (by a softirq, an interrupt, an NMI).
COPIES = 4

_WORD = (1 << 64) - 1
_SIGN = 1 << 63


def log2_slots(sub_buckets: int) -> int:
    """Return how many slots 64-bit values fall into, each power of two divided into so many.

    Not divided, 0 is in the slot of 1. Divided, values below twice ``sub_buckets`` have their own.
    """
    return 64 if sub_buckets == 1 else (66 - sub_buckets.bit_length()) * sub_buckets


class HistogramSpec(Frozen):
    """A histogram: a counter for each slot, and the sum of the values behind them.

    Attributes:
        kind: ``"log2"`` or ``"linear"``.
        unit: of the values counted, ``"us"``; for labels only.
        slots: how many counters; one more cell follows them when ``totals`` is set.
        low: the least value of slot 0 (linear).
        step: how many values a slot takes (linear).
        totals: whether the sum of all values is kept.
        key: the type of the keys, or None for a single histogram.
        sub_bits: each power of two is divided into ``2**sub_bits`` slots (log2).
    """

    kind: Literal["log2", "linear"]
    unit: str
    slots: int = 64
    low: int = 0
    step: int = 1
    totals: bool = False
    key: DataType | None = None
    sub_bits: int = 0

    @property
    def cells(self) -> int:
        """How many cells a row has."""
        return self.slots + self.totals


class SummarySpec(Frozen):
    """A count, a sum, a least and a greatest value, or some of these.

    An extreme is kept as a number that only grows, in :data:`COPIES` cells: see :meth:`mask`.

    Attributes:
        kind: a name in :data:`PARTS`.
        unit: of the values.
        signed: whether values may be negative.
        key: the type of the keys, or None.
    """

    kind: str
    unit: str = ""
    signed: bool = False
    key: DataType | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """What is kept."""
        return PARTS[self.kind]

    @property
    def added(self) -> tuple[str, ...]:
        """The parts that a value is added to."""
        return tuple(part for part in self.parts if part not in EXTREMES)

    @property
    def extremes(self) -> tuple[str, ...]:
        """The parts that a value may replace."""
        return tuple(part for part in self.parts if part in EXTREMES)

    @property
    def cells(self) -> int:
        """How many cells a row has."""
        return len(self.added) + COPIES * len(self.extremes)

    def cell(self, part: str, copy: int = 0) -> int:
        """Return which cell of a row a part is."""
        if part in self.added:
            return self.added.index(part)
        return len(self.added) + copy * len(self.extremes) + self.extremes.index(part)

    def mask(self, part: str) -> int:
        """Return what a value is combined with (exclusive or) to be kept as an extreme.

        The result is greater, as an unsigned number, the further out the value is, so 0, which is
        in a new row, never is further out than any.
        """
        return (_SIGN if self.signed else 0) ^ (_WORD if part == "min" else 0)


class SeriesSpec(Frozen):
    """Counts and sums in a ring of buckets of time.

    A bucket's cells are those of :data:`BUCKET`. ``count`` and ``sum`` only ever grow. When the
    ring comes round to a bucket, what they are then is stored beside them, and what they have grown
    by since is what belongs to ``turn``.

    Attributes:
        step_ns: how long a bucket is.
        buckets: how many there are in the ring.
        unit: of the values.
        signed: whether values may be negative.
        key: the type of the keys, or None.
    """

    step_ns: int
    buckets: int
    unit: str = ""
    signed: bool = False
    key: DataType | None = None

    @property
    def cells(self) -> int:
        """How many cells a row has."""
        return self.buckets * len(BUCKET)


#: The cells of a bucket: the number of the step that it is for, since boot, and four numbers.
BUCKET = ("turn", "count", "sum", "count_before", "sum_before")

AggregateSpec: TypeAlias = "HistogramSpec | SummarySpec | SeriesSpec"


def row_length(shape: AggregateSpec) -> int:
    """Return how many cells a row takes in its map: with a key as many as it has."""
    if shape.key is not None:
        return shape.cells
    return -(-shape.cells // _LINE) * _LINE
