"""Counts, sums, averages, extremes as values: one, or a table of them by key.

Shapes below: ``n`` keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.present import codec, drawing, jsonl, otlp, prometheus
from pyebpf.present.escape import printable
from pyebpf.present.table import Column, Table
from pyebpf.spec.aggregates import EXTREMES, PARTS

#: What a summary is about, if it keeps more than that.
_ABOUT = {"average": "mean", "stats": "count"}
_JOINS: dict[str, Any] = {"min": np.minimum, "max": np.maximum}
#: How many rows a notebook shows before it says how many more there are.
_SHOWN = 50


@dataclass(frozen=True)
class Summary:
    """What was made of values. Adding is merging: as if both had been one from the start.

    Attributes:
        kind: ``"count"``, ``"sum"``, ``"min"``, ``"max"``, ``"average"`` or ``"stats"``.
        unit: of the values.
        count: how many there were, where that is kept; else None.
        sum: what they add up to, where that is kept; else None.
        min, max: the least and the greatest, where that is kept; None of nothing.
        signed: whether values may be negative.

    Units:  sum, min, max: ``unit``.
    """

    kind: str
    unit: str = ""
    count: int | None = None
    sum: int | None = None
    min: int | None = None
    max: int | None = None
    signed: bool = False

    @property
    def mean(self) -> float | None:
        """The average of the values; None where it is not kept, or of nothing."""
        return self.sum / self.count if self.sum is not None and self.count else None

    @property
    def value(self) -> Any:
        """The number that it is about: a count's is the count, an average's the mean."""
        return getattr(self, _ABOUT.get(self.kind, self.kind))

    def __int__(self) -> int:
        return int(self.value or 0)

    def __add__(self, other: Summary) -> Summary:
        if not isinstance(other, Summary):
            return NotImplemented
        _check_mergeable(self, other)
        merged: dict[str, Any] = {part: _joined(part, self, other) for part in PARTS[self.kind]}
        return replace(self, **merged)

    def numbers(self) -> dict[str, int | float | None]:
        """Return what there is to show, by name: the parts that are kept, and the mean."""
        parts = PARTS[self.kind]
        shown: dict[str, Any] = {part: getattr(self, part) for part in parts}
        if {"count", "sum"} <= shown.keys():
            shown["mean"] = self.mean
        return shown

    def __str__(self) -> str:
        shown = self.numbers().items()
        return ", ".join(
            f"{name} {_number(value)}{_unit(name, self.unit)}" for name, value in shown
        )

    def _repr_html_(self) -> str:
        rows = [
            [name, f"{_number(value)}{_unit(name, self.unit)}"]
            for name, value in self.numbers().items()
        ]
        return drawing.table([self.kind, ""], rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the unit and the numbers."""
        return {"kind": self.kind, "unit": self.unit, **self.numbers()}

    def to_json(self) -> str:
        """Return all of it as a line of JSON, for :meth:`from_json` on another machine."""
        return codec.dumps("summary", {**_head(self), **_parts(self)})

    @classmethod
    def from_json(cls, text: str) -> Summary:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return codec.loads("summary", text, lambda data: cls(**data))

    def prometheus(self, name: str, labels: Mapping[str, object] | None = None) -> str:
        """Return it in Prometheus' text format, under a ``name``, with ``labels``.

        A count is a counter, as is a sum; an extreme is a gauge; ``NAME_count``, ``NAME_sum``,
        ``NAME_min`` and ``NAME_max`` are those of a ``Stats``.

        Raises:
            ValueError: the name or a label's name is none of Prometheus'.
        """
        return prometheus.summary(name, [(labels or {}, self)])

    def otlp(self, name: str, attributes: Mapping[str, object] | None = None, **times: int) -> Any:
        """Return it as metrics of OTLP's JSON, of a ``name`` and ``attributes``.

        ``times`` are ``start_ns`` and ``time_ns``: see :mod:`pyebpf.present.otlp`.
        """
        return otlp.summary(name, [(attributes or {}, self)], **times)


def _head(summary: Summary) -> dict[str, Any]:
    return {"kind": summary.kind, "unit": summary.unit, "signed": summary.signed}


def _parts(summary: Summary) -> dict[str, int | None]:
    return {part: getattr(summary, part) for part in PARTS[summary.kind]}


def _joined(part: str, one: Summary, two: Summary) -> int | None:
    both: tuple[int | None, int | None] = (getattr(one, part), getattr(two, part))
    values = [value for value in both if value is not None]
    if not values:
        return None
    if part in EXTREMES:
        return min(values) if part == "min" else max(values)
    return sum(values)


def _check_mergeable(one: Summary | SummaryTable, two: Summary | SummaryTable) -> None:
    if one.kind != two.kind:
        raise ValueError(f"one is a {one.kind}, the other a {two.kind}: they have no sum")
    if one.unit != two.unit:
        raise ValueError(f"one is in {one.unit!r}, the other in {two.unit!r}: convert first")
    if one.signed != two.signed:
        raise ValueError("the values of one may be negative, of the other not: they differ")


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _unit(name: str, unit: str) -> str:
    return f" {printable(unit)}" if unit and name != "count" else ""


class SummaryTable(Mapping[Any, Summary]):
    """A :class:`Summary` for each key, in columns.

    Attributes:
        kind, unit: as of a :class:`Summary`.
        labels: the keys, in the order of the rows.
        signed: whether values may be negative.
        columns: each part that is kept. ``table.columns["sum"]``.
        section: what a key is, for the head of its column: ``"pid"``.
        format_key: makes text of a key.

    Shape:  columns ``(n,)``, of uint64, or int64 where values may be negative.
    """

    def __init__(  # noqa: PLR0913 - what there is to say about a table
        self,
        kind: str,
        labels: Sequence[Any],
        columns: Mapping[str, NDArray[Any]],
        unit: str = "",
        *,
        signed: bool = False,
        section: str = "key",
        format_key: Callable[[Any], object] = str,
    ) -> None:
        self.kind, self.unit, self.signed = kind, unit, signed
        self.labels = tuple(labels)
        self.columns = {part: columns[part] for part in PARTS[kind]}
        for part, column in self.columns.items():
            if column.shape != (len(self.labels),):
                rows = f"{len(self.labels)} keys"
                raise ValueError(
                    f"column {part} has the shape {column.shape}, and there are {rows}"
                )
        self.section, self.format_key = section, format_key
        self._rows = {label: row for row, label in enumerate(self.labels)}

    def __getitem__(self, key: Any) -> Summary:
        row = self._rows[key]
        values = {part: column[row].item() for part, column in self.columns.items()}
        return Summary(self.kind, self.unit, **values, signed=self.signed)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<SummaryTable {self.kind} {len(self)} keys>"

    @property
    def about(self) -> NDArray[Any]:
        """The number that each row is about, as :attr:`Summary.value`.

        Shape:  ``(n,)``; of an average float64.
        """
        name = _ABOUT.get(self.kind, self.kind)
        if name != "mean":
            return self.columns[name]
        counts = self.columns["count"]
        means: NDArray[Any] = np.zeros(len(counts))
        np.divide(self.columns["sum"], counts, where=counts > 0, out=means)
        return means

    def total(self) -> Summary:
        """Return all rows merged into one."""
        merged: dict[str, Any] = {}
        for part, column in self.columns.items():
            if part not in EXTREMES:
                merged[part] = sum(column.tolist())  # Python's numbers do not wrap
            elif len(self):
                merged[part] = _JOINS[part].reduce(column).item()
        return Summary(self.kind, self.unit, **merged, signed=self.signed)

    def top(self, n: int, by: str | None = None) -> SummaryTable:
        """Keep the ``n`` rows with the greatest numbers, the greatest first; of ``Min`` the least.

        Args:
            n: how many.
            by: which number: ``"count"``, ``"sum"``, ``"min"``, ``"max"``; else what it is about.

        Raises:
            ValueError: that is not kept.
        """
        if by is not None and by not in self.columns:
            raise ValueError(f"a {self.kind} keeps {', '.join(self.columns)}, not {by!r}")
        numbers = self.about if by is None else self.columns[by]
        order = np.argsort(numbers, kind="stable")
        least = (by or self.kind) == "min"
        return self._rows_of((order if least else order[::-1])[:n])

    def __add__(self, other: SummaryTable) -> SummaryTable:
        """Merge key by key, losing nothing.

        Raises:
            ValueError: they are of different kinds or units.
            OverflowError: a sum has no 64 bits.
        """
        if not isinstance(other, SummaryTable):
            return NotImplemented
        _check_mergeable(self, other)
        place = dict(self._rows)
        rows = np.array([place.setdefault(key, len(place)) for key in other.labels], np.intp)
        joined = {part: self._column(part, other, rows, len(place)) for part in self.columns}
        return self._like([*place], joined)

    def _column(
        self, part: str, other: SummaryTable, rows: NDArray[np.intp], length: int
    ) -> NDArray[Any]:
        mine, theirs = self.columns[part], other.columns[part]
        out = np.zeros(length, mine.dtype)
        out[: len(mine)] = mine
        new = rows >= len(mine)
        out[rows[new]] = theirs[new]
        at, more = rows[~new], theirs[~new]
        if part in EXTREMES:
            out[at] = _JOINS[part](out[at], more)
            return out
        both = out[at] + more
        wrapped = (both < more) if out.dtype.kind == "u" else ((both < out[at]) != (more < 0))
        if wrapped.any():
            raise OverflowError(f"a merged {part} is beyond 64 bits")
        out[at] = both
        return out

    def named(
        self, section: str, format_key: Callable[[Any], object] | None = None
    ) -> SummaryTable:
        """Return the same rows with other words for their keys.

        Args:
            section: what the keys are, ``"disk"``.
            format_key: makes the text of a key; by default what it prints as.
        """
        named = self._like(self.labels, self.columns)
        named.section, named.format_key = section, format_key or self.format_key
        return named

    def _like(self, labels: Sequence[Any], columns: Mapping[str, NDArray[Any]]) -> SummaryTable:
        words: dict[str, Any] = {"section": self.section, "format_key": self.format_key}
        return SummaryTable(self.kind, labels, columns, self.unit, signed=self.signed, **words)

    def _rows_of(self, order: NDArray[Any]) -> SummaryTable:
        labels = [self.labels[row] for row in order.tolist()]
        return self._like(labels, {part: column[order] for part, column in self.columns.items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SummaryTable):
            return NotImplemented
        return (self.kind, self.unit, dict(self)) == (other.kind, other.unit, dict(other))

    __hash__ = None  # type: ignore[assignment]

    def render(self) -> str:
        """Return the rows as text, the greatest last, where a terminal ends, as BCC's tools do."""
        return "\n".join([*self._lines(self.top(len(self)))])

    def _lines(self, shown: SummaryTable) -> Iterator[str]:
        heads = [*Summary(self.kind).numbers()]
        table = Table(
            Column(printable(self.section).upper(), 22),
            *(Column(head.upper(), 12, ">") for head in heads),
        )
        yield table.header()
        for key in reversed(shown.labels):
            yield table.row(self.format_key(key), *map(_number, shown[key].numbers().values()))

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        shown = self.top(_SHOWN)
        heads = [self.section, *Summary(self.kind).numbers()]
        rows = [
            [self.format_key(key), *map(_number, shown[key].numbers().values())] for key in shown
        ]
        more = len(self) - len(shown)
        return drawing.table(heads, rows, f"and {more} more" if more > 0 else "")

    def to_dict(self) -> list[dict[str, Any]]:
        """Return each row's numbers with its ``section: key`` put in."""
        return [
            {**self[key].to_dict(), self.section: printable(self.format_key(key))} for key in self
        ]

    def to_json_lines(self) -> str:
        """Return :meth:`to_dict` as JSON, one key in each line."""
        return "\n".join(map(jsonl.line, self.to_dict()))

    def to_json(self) -> str:
        """Return all of it as a line of JSON, for :meth:`from_json` on another machine.

        Raises:
            TypeError: a key has no form in JSON that can be read back.
        """
        columns = {part: column.tolist() for part, column in self.columns.items()}
        data = {
            "kind": self.kind,
            "unit": self.unit,
            "signed": self.signed,
            "section": self.section,
        }
        keys = [codec.key_out(key) for key in self.labels]
        return codec.dumps("summaries", {**data, "keys": keys, "columns": columns})

    @classmethod
    def from_json(cls, text: str) -> SummaryTable:
        """Return what :meth:`to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        return codec.loads("summaries", text, cls._made)

    @classmethod
    def _made(cls, data: dict[str, Any]) -> SummaryTable:
        signed, unit, section = data["signed"], data["unit"], data["section"]
        columns = {
            part: np.array(values, column_dtype(part, signed=signed))
            for part, values in data["columns"].items()
        }
        keys = [codec.key_in(key) for key in data["keys"]]
        return cls(data["kind"], keys, columns, unit, signed=signed, section=section)

    def prometheus(self, name: str, labels: Mapping[str, object] | None = None) -> str:
        """Return it in Prometheus' text format: as :meth:`Summary.prometheus`, the key a label."""
        return prometheus.summary(name, self._series(labels))

    def otlp(self, name: str, attributes: Mapping[str, object] | None = None, **times: int) -> Any:
        """Return it as metrics of OTLP's JSON, of a ``name`` and ``attributes``.

        ``times`` are ``start_ns`` and ``time_ns``: see :mod:`pyebpf.present.otlp`.
        """
        return otlp.summary(name, self._series(attributes), **times)

    def _series(
        self, labels: Mapping[str, object] | None
    ) -> list[tuple[dict[str, object], Summary]]:
        own = labels or {}
        return [({**own, self.section: printable(self.format_key(key))}, self[key]) for key in self]


def column_dtype(part: str, *, signed: bool) -> type[np.uint64 | np.int64]:
    """Return the dtype of a column."""
    return np.int64 if signed and part != "count" else np.uint64
