"""How a map is to be read: what a view needs to know beyond the map itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.spec.types import DataType


class HistogramSpec(Frozen):
    """A histogram kept in a map.

    Attributes:
        kind: ``"log2"`` or ``"linear"``.
        unit: of the values counted, ``"us"``; for labels only.
        slots: how many counters; one more follows them when ``totals`` is set.
        low: the least value of slot 0 (linear).
        step: how many values a slot takes (linear).
        totals: whether the sum of all values is kept, in the number after the slots.
        key: the type of the keys, or None for a single histogram. Without keys the map is an array
            with one row per possible CPU; with keys it is a per-CPU hash of rows.
    """

    kind: Literal["log2", "linear"]
    unit: str
    slots: int = 64
    low: int = 0
    step: int = 1
    totals: bool = False
    key: DataType | None = None


class PrintPart(Frozen):
    """One value of a printed line: where it is in the record and how to format it.

    ``size`` is 8 for numbers; text has its buffer's size. ``conversion`` is ``""``, ``"r"``,
    ``"s"`` or ``"a"``; ``format`` is Python's format specification. Each NUL in it stands for one
    of the values that follow, which are not shown by themselves.
    """

    offset: int
    size: int
    text: bool
    signed: bool
    conversion: str = ""
    format: str = ""
    boolean: bool = False
    #: ``"bytes"``, ``"IPv4Address"`` or ``"IPv6Address"``: it is copied like text.
    role: str = ""


class PrintSpec(Frozen):
    """A ``print`` of a probe: pieces of text, one more than the values between them."""

    literals: tuple[str, ...]
    values: tuple[PrintPart, ...]
    size: int
    end: str = "\n"
