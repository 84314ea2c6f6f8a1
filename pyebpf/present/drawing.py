"""Histograms as SVG, and tables, for notebooks, readable on light and on dark pages.

Text takes the page's own colour; the bars are of a blue that stands out on white and on black.
Nothing is fetched and no script runs, so a saved notebook shows the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pyebpf.present.escape import printable

_ROW = 16
_BARS = 320
_CHAR = 7  # room for one character at this size
_STYLE = "font:12px ui-monospace,monospace;margin:4px 16px 4px 0"
_BLUE = "#4a90d9"


def histogram(names: list[str], counts: list[int], label: str, *, title: str = "") -> str:
    """Draw one row for each slot: its name, a bar, its count."""
    if not counts:
        return f'<span style="{_STYLE}">{_text(title or label)}: no values</span>'
    head = f"{title} ({label})" if title else label
    left = _CHAR * max(map(len, names)) + 8
    width = max(left + _BARS + _CHAR * len(str(max(counts))) + 12, _CHAR * len(head) + 8)
    height = _ROW * (len(counts) + 1) + 4
    rows = "".join(
        _row(number, name, count, count / max(counts), left)
        for number, (name, count) in enumerate(zip(names, counts, strict=True), 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{_text(head)}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'fill="currentColor" style="{_STYLE}">'
        f'<text x="0" y="12" font-weight="bold">{_text(head)}</text>{rows}</svg>'
    )


def _row(number: int, name: str, count: int, share: float, left: int) -> str:
    top, length = number * _ROW, share * _BARS
    slot = f'<text x="{left - 8}" y="{top + 12}" text-anchor="end">{_text(name)}</text>'
    if not count:
        return slot
    bar = (
        f'<rect x="{left}" y="{top + 2}" width="{max(length, 1):.1f}" height="12" fill="{_BLUE}"/>'
    )
    return f'{slot}{bar}<text x="{left + length + 6:.1f}" y="{top + 12}">{count}</text>'


def figure(drawings: list[str], note: str = "") -> str:
    """Put drawings beside each other, with a line of text under them."""
    under = f'<div style="{_STYLE}">{_text(note)}</div>' if note else ""
    return f'<div style="display:flex;flex-wrap:wrap">{"".join(drawings)}</div>{under}'


def table(
    heads: Sequence[object],
    rows: Sequence[Sequence[object]],
    note: str = "",
    *,
    right: Sequence[bool] = (),
) -> str:
    """Return a table.

    Args:
        heads: of the columns.
        rows: a value for each of them.
        note: a line under it.
        right: which columns stand to the right, as numbers do; by default all but the first.
    """
    sides = ["right" if one else "left" for one in right or [False] + [True] * (len(heads) - 1)]
    head = _cells("th", heads, sides)
    body = "".join(f"<tr>{_cells('td', row, sides)}</tr>" for row in rows)
    under = f'<div style="{_STYLE}">{_text(note)}</div>' if note else ""
    return f'<table style="{_STYLE}"><tr>{head}</tr>{body}</table>{under}'


def _cells(tag: str, row: Sequence[object], sides: Sequence[str]) -> str:
    return "".join(
        f'<{tag} style="text-align:{side}">{_text(str(one))}</{tag}>'
        for one, side in zip(row, sides, strict=True)
    )


def _text(value: str) -> str:
    return escape(printable(value))
