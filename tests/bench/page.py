"""The report of a run of all benchmarks as a page, with a drawing beside it for each curve."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.plot import drawing
from tests.bench.report import Report, Row, machine, number, points, points_head

_HEAD = """<!-- Written by `make bench`: do not edit. -->
# Benchmarks: a run of all of them

Written by `make bench`. [benchmarks.md](benchmarks.md) says what each row is, how to read it, and
why curves bend.

## The machine

{machine}; load average {before:.1f} before and {after:.1f} after{others}.

{versions}
"""
#: A load average below which nobody else works.
_IDLE = 0.5
_BUDGETS = """## Budgets

The least of several, which is judged, and the median behind it. *Ratio* is ours through theirs.

| what | unit | budget | ours | median | met | peer | theirs | ratio |
|---|---|---:|---:|---:|---|---|---:|---:|"""


def write(report: Report, target: Path, failed: Sequence[str] = ()) -> None:
    """Write the page, and its drawings into a folder of its name."""
    folder = target.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for curve in report.curves:
        if drawn := drawing(curve):
            (folder / f"{curve.name}.svg").write_text(drawn, encoding="utf-8")
    target.write_text(text(report, folder.name, failed), encoding="utf-8")


def text(report: Report, folder: str, failed: Sequence[str] = ()) -> str:
    """Return the page; drawings are in ``folder``."""
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report.versions.items()))
    others = ": others worked on it, too" if report.busy > _IDLE else ""
    head = _HEAD.format(machine=machine(), before=report.busy, after=os.getloadavg()[0],
                        others=others, versions=versions)  # fmt: skip
    parts = [
        head,
        *(f"**Not measured, since it failed: `{name}`**\n" for name in failed),
        "\n".join([_BUDGETS, *(line for row in report.rows for line in _budget(row)), ""]),
    ]
    if report.curves:
        parts.append("## How cost grows\n")
    for curve in report.curves:
        shown = f"![{curve.title}]({folder}/{curve.name}.svg)\n"
        parts += [f"### {curve.title}\n", *([shown] if drawing(curve) else [])]
        parts.append(_table(points_head(curve), points(curve)))
    parts += ["## Everything\n", f"```text\n{report.text()}\n```\n"]
    return "\n".join(parts)


def _budget(row: Row) -> Iterator[str]:
    if row.budget is None:
        return
    met = "yes" if row.ours.least <= row.budget else "**NO**"
    ours = [row.what.strip(), row.unit, f"{row.budget:g}", number(row.ours.least),
            number(row.ours.median), met]  # fmt: skip
    for name, peer in row.beside or (("", None),):
        theirs = ["", "", ""]
        if peer is not None:
            theirs = [name, number(peer.least), f"{row.ours.least / peer.least:.2f}"]
        yield f"| {' | '.join([*ours, *theirs])} |"
        ours = [""] * 6


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), ""])
