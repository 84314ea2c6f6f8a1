"""Histograms, series and tables as SVG and HTML, for notebooks.

Nothing is fetched and no script runs, so a saved notebook shows the same. How it looks is in
``pyebpf.present.theme``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyebpf.present.theme import BAR, lines, note, page, svg, text

_ROW = 17
_BARS = 320
CHAR = 7.25  # room for one character at this size
_TALL, _WIDE = 120, 560  # of a series
_LABELLED = 96  # pixels for each time that is written below


def histogram(
    names: list[str], counts: list[int], label: str, *, title: str = "", bars: int = _BARS
) -> str:
    """Draw one row for each slot: its name, a bar, its count.

    Args:
        names: of the slots.
        counts: of the slots.
        label: what the values are.
        title: what they are of.
        bars: how long the longest bar is, in pixels.
    """
    head = f"{title} ({label})" if title else label
    if not counts:
        return f"<span>{text(title or label)}: no values</span>"
    total, most = sum(counts), max(counts)
    left = CHAR * max(map(len, names)) + 10
    width = max(left + bars + CHAR * len(f"{most:,}") + 16, CHAR * len(head) + 8)
    height = _ROW * (len(counts) + 1) + 6
    rows = "".join(
        _slot(row * _ROW + 3, name, count, count / total, (left, count / most * bars))
        for row, (name, count) in enumerate(zip(names, counts, strict=True), 1)
    )
    told = f"{len(counts)} slots, {total:,} values, most of them ({most:,}) in "
    told += names[counts.index(most)]
    body = f'<text x="0" y="13" font-weight="bold">{text(head)}</text>{rows}'
    return svg(width, height, head, told, body)


def _slot(top: int, name: str, count: int, share: float, place: tuple[float, float]) -> str:
    left, length = place[0], max(place[1], 1)
    slot = f'<text x="{left - 10:.1f}" y="{top + 12}" text-anchor="end">{text(name)}</text>'
    if not count:
        return slot
    said = f"{name}: {count:,} ({share:.1%})"
    return (
        f"<g><title>{text(said)}</title>{slot}"
        f'<rect class="bar" x="{left:.1f}" y="{top + 1}" width="{length:.1f}" '
        f'height="{_ROW - 4}" rx="1.5" fill="{BAR}"/>'
        f'<text x="{left + length + 6:.1f}" y="{top + 12}">{count:,}</text></g>'
    )


def columns(times: list[str], counts: list[int], title: str) -> str:
    """Draw one column for each step of time, as high as its count."""
    if not counts:
        return f"<span>{text(title)}: nothing yet</span>"
    most = max(counts)
    left = CHAR * len(f"{most:,}") + 10
    step = min(_WIDE / len(counts), 40.0)
    wide, base = step * len(counts), 24 + _TALL
    bars = "".join(
        _column(left + at * step, base, step, f"{time}: {count:,}", count / max(most, 1))
        for at, (time, count) in enumerate(zip(times, counts, strict=True))
        if count
    )
    below = "".join(
        f'<text class="dim" x="{left + at * step:.1f}" y="{base + 16}">{text(times[at])}</text>'
        for at in ticks(len(times), step)
    )
    frame = "".join(
        f'<path class="line" stroke="#8885" d="M{left:.1f} {y}H{left + wide:.1f}"/>'
        f'<text class="dim" x="{left - 6:.1f}" y="{y + 4}" text-anchor="end">{value:,}</text>'
        for y, value in ((base, 0), (base - _TALL, most))
    )
    told = f"{len(counts)} steps from {times[0]} to {times[-1]}, {sum(counts):,} values, "
    told += f"most of them ({most:,}) at {times[counts.index(most)]}"
    body = f'<text x="0" y="13" font-weight="bold">{text(title)}</text>{frame}{bars}{below}'
    last = [*ticks(len(times), step)][-1] * step + CHAR * len(times[0])
    width = max(left + max(wide, last), CHAR * len(title)) + 8
    return svg(width, base + 22, title, told, body)


def _column(x: float, base: int, step: float, said: str, share: float) -> str:
    height = max(share * _TALL, 1)
    width = max(step - 1, step * 0.8)
    return (
        f'<rect class="bar" x="{x:.1f}" y="{base - height:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" fill="{BAR}"><title>{text(said)}</title></rect>'
    )


def ticks(count: int, step: float) -> range:
    """Return which of some steps, so wide, have room for a time below."""
    return range(0, count, max(1, -int(-_LABELLED // step)))


class Words(str):
    """A text that draws itself as it is, line by line."""

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return page("text", f"<pre>{lines(self)}</pre>")


def figure(drawings: list[str], under: str = "", *, kind: str = "hist") -> str:
    """Put drawings beside each other, with a line of text under them."""
    return page(kind, f'<div class="many">{"".join(drawings)}</div>', note(under))


def table(
    heads: Sequence[object],
    rows: Sequence[Sequence[object]],
    under: str = "",
    *,
    right: Sequence[bool] = (),
) -> str:
    """Return a table.

    Args:
        heads: of the columns.
        rows: a value for each of them.
        under: a line of text under it.
        right: which columns stand to the right, as numbers do; by default all but the first.
    """
    sides = ["right" if one else "left" for one in right or [False] + [True] * (len(heads) - 1)]
    head = _cells("th", heads, sides)
    body = "".join(f"<tr>{_cells('td', row, sides)}</tr>" for row in rows)
    made = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return page("table", made, note(under))


def _cells(tag: str, row: Sequence[object], sides: Sequence[str]) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    return "".join(
        f'<{tag}{scope} style="text-align:{side}">{text(one)}</{tag}>'
        for one, side in zip(row, sides, strict=True)
    )
