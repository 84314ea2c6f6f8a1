"""What programs cost, as a value: a row for each, as text, JSON, a drawing, a structured array.

Shapes below: ``n`` programs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyebpf.plain import Frozen
from pyebpf.present import drawing
from pyebpf.present.table import Column, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PERCENT = 10_000_000  # nanoseconds of a second
#: The fields of :attr:`Costs.array`, and of rows: those that are numbers, with numpy's types.
_NUMBERS = {
    "hits": "i8", "hits_per_s": "f8", "time_ns": "i8", "ns_per_hit": "f8", "entry_ns": "f8",
    "cpu_percent": "f8", "machine_percent": "f8", "misses": "i8",
}  # fmt: skip
_COLUMNS = (
    Column("PROGRAM", 16),
    Column("HITS", 10, ">"),
    Column("HITS/S", 10, ">", field="hits_per_s"),
    Column("NS/HIT", 7, ">", field="ns_per_hit"),
    Column("ENTRY", 6, ">", field="entry_ns"),
    Column("%CPU", 7, ">", field="cpu_percent"),
    Column("%ALL", 7, ">", field="machine_percent"),
    Column("MISSED", 6, ">", field="misses"),
    Column("HOOK", 0),
)


class Cost(Frozen):
    """What one program cost.

    Attributes:
        name: of the program.
        hook: what it is attached to.
        hits: how often it ran; None if the kernel does not count programs of its kind.
        time_ns: how long, on all CPUs together, without getting there and back; None likewise.
        misses: how often it was passed over, because a program ran already on the CPU; None if the
            kernel does not count that. Such an event is in nothing that the program reports.
        seconds: how long was measured.
        cpus: how many CPUs were online.
        entry_ns: what getting there and back takes for each hit, about; None if it is not known,
            which it is for uprobes and their like alone.
    """

    name: str
    hook: str
    hits: int | None
    time_ns: int | None
    misses: int | None
    seconds: float
    cpus: int
    entry_ns: float | None = None

    @property
    def whole_ns(self) -> float | None:
        """How long all hits took, with getting there and back where that is known.

        Units:  nanoseconds.
        """
        if self.time_ns is None or self.hits is None:
            return None
        return self.time_ns + self.hits * (self.entry_ns or 0)

    @property
    def hits_per_s(self) -> float | None:
        """How often it ran in a second."""
        return None if self.hits is None or not self.seconds else self.hits / self.seconds

    @property
    def ns_per_hit(self) -> float | None:
        """How long it ran on average, without getting there and back; None if it did not run.

        Units:  nanoseconds.
        """
        return self.time_ns / self.hits if self.hits and self.time_ns is not None else None

    @property
    def cpu_percent(self) -> float | None:
        """Its share of one CPU, with getting there and back where that is known.

        Units:  percent; above 100 where it ran on several CPUs at a time.
        """
        whole = self.whole_ns
        return None if whole is None or not self.seconds else whole / self.seconds / _PERCENT

    @property
    def machine_percent(self) -> float | None:
        """Its share of all CPUs, likewise.

        Units:  percent.
        """
        share = self.cpu_percent
        return None if share is None else share / self.cpus

    def to_dict(self) -> dict[str, Any]:
        """Return all of it by name."""
        return {**self._words(), **self._numbers(), "seconds": self.seconds}

    def _words(self) -> dict[str, str]:
        return {"program": self.name, "hook": self.hook}

    def _numbers(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _NUMBERS}

    def cells(self) -> dict[str, Any]:
        """Return all of it by name, the numbers as text."""
        shown = {name: _text(name, value) for name, value in self._numbers().items()}
        return {**self._words(), **shown}


class Costs(Mapping[str, Cost]):
    """What programs cost in some time: a :class:`Cost` for each name, the costliest first.

    The kernel takes the time of the programs alone. What it takes to get to them, a trap or a
    trampoline, is in the shares for uprobes, where it is measured: see docs/overhead.md.

    Attributes:
        seconds: how long was measured.
        cpus: how many CPUs were online.
    """

    def __init__(self, rows: Sequence[Cost], seconds: float, cpus: int) -> None:
        by_time = sorted(rows, key=lambda row: row.whole_ns or 0, reverse=True)
        self._rows = {row.name: row for row in by_time}
        self.seconds, self.cpus = seconds, cpus

    def __getitem__(self, name: str) -> Cost:
        return self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def total(self) -> Cost:
        """All programs together, of those that are counted; ``entry_ns`` is the mean of a hit."""

        def added(part: str) -> Any:
            return sum(filter(None, (getattr(row, part) for row in self.values())))

        hits, time_ns, misses = map(added, ("hits", "time_ns", "misses"))
        entry_ns = (added("whole_ns") - time_ns) / hits if hits else None
        return Cost("total", "", hits, time_ns, misses, self.seconds, self.cpus, entry_ns)

    @property
    def array(self) -> NDArray[Any]:
        """The rows as numpy has them.

        Shape:  ``(n,)`` of a structured dtype with the fields ``program``, ``hook`` (texts),
            ``hits``, ``time_ns``, ``misses`` (int64, -1 where it is not known), ``hits_per_s``,
            ``ns_per_hit``, ``entry_ns``, ``cpu_percent``, ``machine_percent`` (float64, NaN).
        Units:  those of :class:`Cost`.
        """
        np: Any = importlib.import_module("numpy")  # a table of text needs none
        rows = self.to_rows()
        texts = [
            (name, f"U{max([1, *(len(row[name]) for row in rows)])}")
            for name in ("program", "hook")
        ]
        out: NDArray[Any] = np.zeros(len(rows), [*texts, *_NUMBERS.items()])
        for name in out.dtype.names or ():
            out[name] = [_unknown(name) if row[name] is None else row[name] for row in rows]
        return out

    def render(self) -> str:
        """Return a table, and a line of what all cost together."""
        table = Table(*_COLUMNS)
        lines = [table.record(row.cells()) for row in self.values()]
        return "\n".join([table.header(), *lines, self.summary()])

    def summary(self) -> str:
        """Say in a line what all cost together."""
        total = self.total
        cells = total.cells()
        known = [row.entry_ns is not None for row in self.values() if row.hits]
        how = "with entry" if known and all(known) else "entry where known"
        return (
            f"{total.hits:,} hits in {self.seconds:.3g} s: {cells['cpu_percent']} % of one CPU, "
            f"{cells['machine_percent']} % of all {self.cpus} "
            f"({how if any(known) else 'programs alone'})"
        )

    def __str__(self) -> str:
        return self.render()

    def __repr__(self) -> str:
        return f"<Costs of {len(self)} programs: {self.summary()}>"

    def _repr_html_(self) -> str:
        heads = [column.title.lower() for column in _COLUMNS]
        names = [column.name for column in _COLUMNS]
        rows = [[row.cells()[name] for name in names] for row in self.values()]
        return drawing.table(heads, rows, self.summary())

    def to_rows(self) -> list[dict[str, Any]]:
        """Return each program's row."""
        return [row.to_dict() for row in self.values()]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it."""
        return {"seconds": self.seconds, "cpus": self.cpus, "programs": self.to_rows()}

    def to_json_lines(self, *, ts: str | None = None) -> str:
        """Return a line of JSON for each program.

        Args:
            ts: when that was, put into each line.
        """
        jsonl: Any = importlib.import_module("pyebpf.present.jsonl")  # it imports numpy
        head = {} if ts is None else {"ts": ts}
        return "\n".join(jsonl.line({**head, **row}) for row in self.to_rows())


def _text(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name.endswith("percent"):
        return "<0.001" if 0 < value < 0.001 else f"{value:.3f}"
    if name == "hits_per_s":
        return f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return f"{value:.0f}"


def _unknown(name: str) -> float:
    return -1 if _NUMBERS[name] == "i8" else float("nan")
