"""The report: one table of what was measured, with the budgets and the peers beside it."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import Sample

HEAD = ("what", "unit", "ours min", "median", "budget", "met", "beside", "min", "median", "ratio")
LEFT = {0, 1, 5, 6}


class Row(NamedTuple):
    """One thing that was measured. The budgets are those of the design."""

    what: str
    unit: str
    ours: Sample
    budget: float | None
    beside: tuple[tuple[str, Sample], ...]


class Curve(NamedTuple):
    """How something grows: a plot of its own, on logarithmic axes.

    Attributes:
        name: of the file with the drawing.
        title: what is asked.
        x: what grows.
        y: what it costs, with its unit.
        lines: the points of each line, by its name.
    """

    name: str
    title: str
    x: str
    y: str
    lines: Mapping[str, Sequence[tuple[float, float]]]


@dataclass
class Report:
    """Everything that one run measured.

    Attributes:
        busy: the load average before: what others did on the machine, which the figures contain.
        versions: of what was measured, by their names.
    """

    busy: float = field(default_factory=lambda: os.getloadavg()[0])
    versions: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        what: str,
        unit: str,
        ours: Sample,
        budget: float | None = None,
        beside: Iterable[tuple[str, Sample]] = (),
    ) -> None:
        self.rows.append(Row(what, unit, ours, budget, tuple(beside)))

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table of its own, shown before the summary. All columns but the first are right."""
        self.tables.append(f"{title}\n\n{grid([head, *rows], left={0})}")

    def curve(self, curve: Curve) -> None:
        """Add a curve: a drawing in the page, and in the text its points as a table."""
        self.curves.append(curve)
        self.table(curve.title, points_head(curve), points(curve))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def version(self, name: str, version: str) -> None:
        self.versions[name] = version

    def text(self) -> str:
        cells = [HEAD, *(line for row in self.rows for line in _lines(row))]
        parts = [
            f"{machine()}; load average before: {self.busy:.1f}",
            *self.tables,
            f"Summary\n\n{grid(cells, LEFT)}" if self.rows else "",
        ]
        parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(part for part in parts if part)


def _lines(row: Row) -> list[Sequence[str]]:
    budget = "" if row.budget is None else f"{row.budget:g}"
    met = "" if row.budget is None else ("yes" if row.ours.least <= row.budget else "NO")
    ours = [row.what, row.unit, number(row.ours.least), number(row.ours.median), budget, met]
    lines: list[Sequence[str]] = []
    for name, peer in row.beside:
        ratio = f"{row.ours.least / peer.least:.2f} x" if peer.least else ""
        lines.append([*ours, name, number(peer.least), number(peer.median), ratio])
        ours = [""] * 6
    return lines or [[*ours, "", "", "", ""]]


def points_head(curve: Curve) -> list[str]:
    return [curve.x, *(f"{name}, {curve.y}" for name in curve.lines)]


def points(curve: Curve) -> list[list[str]]:
    """Return the points of a curve as rows: one for each x, a column for each line."""
    known = {name: dict(line) for name, line in curve.lines.items()}
    rows = sorted({x for line in known.values() for x in line})
    return [
        [f"{x:,.0f}", *(number(line[x]) if x in line else "" for line in known.values())]
        for x in rows
    ]


def number(value: float) -> str:
    """Three digits that say something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def grid(rows: Sequence[Sequence[str]], left: set[int]) -> str:
    """Rows as aligned text, the first of them a head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def machine() -> str:
    """Describe the machine without naming it."""
    release = re.match(r"\d+\.\d+", platform.release())
    return (
        f"{os.cpu_count()} CPUs ({_model()}), Linux {release[0] if release else 'unknown'}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def _model() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found[1] if found else platform.machine()
