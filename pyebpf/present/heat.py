"""Histograms one after the other in time, as a heat map.

Shapes below: ``n`` columns, one for each stretch of time; ``k`` slots.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Any

from pyebpf.lazy import lazy
from pyebpf.present import drawing, stars
from pyebpf.present.theme import SHADES, page, svg, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from pyebpf.present import hist as hists
    from pyebpf.present import jsonl
    from pyebpf.present.hist import Hist
else:
    # Whoever makes a heat map need not have read anything yet.
    np = lazy("numpy")
    hists = lazy("pyebpf.present.hist")
    jsonl = lazy("pyebpf.present.jsonl")

_ROW, _WIDE, _HIGH = 16, 640, 24.0
_TEXT_SHADES = " ░▒▓█"
_SWATCH = 22


class HeatMap:
    """How values are distributed, and how that changes: time to the right, slots upwards.

    A column is a histogram, what came in a stretch of time; the darker (on dark pages the
    brighter) a box, the more values are in it. With :meth:`add` it grows, so that a notebook
    draws it while the kernel runs::

        heat = HeatMap()
        session.live(lambda: heat.add(session[latency].take()), interval=1)

    Args:
        most: how many columns are kept; of more, the first are forgotten.
    """

    def __init__(self, most: int = 120) -> None:
        if most < 1:
            raise ValueError(f"a heat map has 1 column or more, not {most}")
        self._columns: deque[tuple[float, Hist]] = deque(maxlen=most)

    @classmethod
    def of(cls, hists: Iterable[Hist], start: float, step: float) -> HeatMap:
        """Return the heat map of histograms of one length each.

        Args:
            hists: in the order of their times.
            start: when the first began, in seconds since 1970.
            step: how long each took, in seconds.
        """
        kept = [*hists]
        made = cls(max(len(kept), 1))
        for number, hist in enumerate(kept, 1):
            made.add(hist, at=start + number * step)
        return made

    def add(self, hist: Hist, *, at: float | None = None) -> HeatMap:
        """Append a column; return the heat map itself.

        Args:
            hist: what came since the last column, as ``take()`` of a histogram gives it.
            at: when it ended, in seconds since 1970; now by default.

        Raises:
            TypeError: it is no histogram, or one for each key.
            ValueError: it has other slots than the columns before, or is earlier.
        """
        if not isinstance(hist, hists.Hist):
            advice = ": total() merges the keys" if hasattr(hist, "total") else ""
            raise TypeError(f"a column is a Hist, not {type(hist).__name__}{advice}")
        when = time.time() if at is None else at
        if self._columns:
            last, before = self._columns[-1]
            before + hist  # it says what differs, if they do not fit
            if when < last:
                raise ValueError(f"the column ends at {when}, before the last one, at {last}")
        self._columns.append((when, hist))
        return self

    @property
    def ends(self) -> NDArray[np.float64]:
        """When each column ended.

        Shape:  ``(n,)``.
        Units:  seconds since 1970.
        """
        return np.array([when for when, _ in self._columns], np.float64)

    @property
    def counts(self) -> NDArray[np.uint64]:
        """How many values fell into each slot, by column.

        Shape:  ``(n, k)``.
        """
        rows = [hist.counts for _, hist in self._columns]
        return np.array(rows, np.uint64) if rows else np.zeros((0, 0), np.uint64)

    def total(self) -> Hist | None:
        """Return all columns as one histogram; None if there are none."""
        hists = [hist for _, hist in self._columns]
        return sum(hists[1:], hists[0]) if hists else None

    def __len__(self) -> int:
        return len(self._columns)

    def __repr__(self) -> str:
        total = self.total()
        return f"<HeatMap {len(self)} columns, count={0 if total is None else total.count}>"

    def _used(self) -> tuple[list[str], list[list[int]]]:
        """Return the names of the slots from the first to the last used, and their counts."""
        total = self.total()
        used = np.flatnonzero(total.counts) if total is not None else np.zeros(0, np.intp)
        if total is None or not len(used):
            return [], []
        first, last = int(used[0]), int(used[-1])
        names = stars.slot_names(total.edges[first : last + 2].tolist())
        return names, self.counts[:, first : last + 1].T.tolist()

    def render(self) -> str:
        """Draw with characters: a line for each slot, the greatest values above."""
        names, rows = self._used()
        if not rows:
            return ""
        room, most = max(map(len, names)), max(map(max, rows))
        scale = _Scale(most, len(_TEXT_SHADES) - 1)
        lines = [
            f"{name:>{room}} |{''.join(_TEXT_SHADES[scale.shade(n)] for n in row)}|"
            for name, row in zip(names[::-1], rows[::-1], strict=True)
        ]
        times = self._times()
        return "\n".join([*lines, f"{'':{room}}  {times[0]} to {times[-1]}, {most:,} at most"])

    def __str__(self) -> str:
        return self.render()

    def to_dict(self) -> list[dict[str, Any]]:
        """Return each column's histogram (:meth:`.Hist.to_dict`) with its ``end``, in seconds."""
        return [{"end": when, **hist.to_dict()} for when, hist in self._columns]

    def to_json_lines(self) -> str:
        """Return :meth:`to_dict` as JSON, one column in each line."""
        return "\n".join(map(jsonl.line, self.to_dict()))

    def _times(self) -> list[str]:
        return [time.strftime("%H:%M:%S", time.gmtime(when)) for when, _ in self._columns]

    def _repr_html_(self) -> str:
        return page("heat", self._drawn())

    def _drawn(self) -> str:
        names, rows = self._used()
        if not rows:
            return "<span>heat map: nothing yet</span>"
        label = self._columns[0][1].label()
        times, scale = self._times(), _Scale(max(map(max, rows)), len(SHADES))
        left = drawing.CHAR * max(map(len, names)) + 10
        step = min(_WIDE / len(times), _HIGH)
        wide, base = step * len(times), 24 + _ROW * len(names)
        boxes = "".join(
            _row(base - (slot + 1) * _ROW, left, step, name, zip(times, row, strict=True), scale)
            for slot, (name, row) in enumerate(zip(names, rows, strict=True))
        )
        below = "".join(
            f'<text class="dim" x="{left + at * step:.1f}" y="{base + 16}">{times[at]}</text>'
            for at in drawing.ticks(len(times), step)
        )
        legend, needed = _legend(left, base + 30, scale)
        told = (
            f"{len(times)} columns from {times[0]} to {times[-1]} (UTC), {len(names)} slots from "
        )
        told += f"{names[0]} to {names[-1]}, {scale.most:,} values at most in one box"
        head = f'<text x="0" y="13" font-weight="bold">{text(label)} by time (UTC)</text>'
        width = max(left + wide + 8 * drawing.CHAR, needed)
        return svg(width, base + 52, f"{label} by time", told, f"{head}{boxes}{below}{legend}")


class _Scale:
    """Shades by the logarithm of a count, the last for the greatest.

    Args:
        most: the greatest count.
        shades: how many there are. Of few counts, not all are used.
    """

    def __init__(self, most: int, shades: int) -> None:
        self.most = most
        self.lows = sorted({math.ceil(most ** (at / shades)) for at in range(shades)})
        # A power in floating point may be a little more than the whole number that it is.
        self.lows = [low for low in self.lows if low <= most]
        last = len(self.lows) - 1
        self._shades = [
            round(1 + at * (shades - 1) / last) if last else shades for at in range(last + 1)
        ]

    def shade(self, count: int) -> int:
        """Return the shade of a count, from 1 on; 0 of nothing."""
        return self._shades[bisect_right(self.lows, count) - 1] if count else 0

    def bounds(self) -> Iterator[tuple[int, int, int]]:
        """Yield the shades, and from which count to which they are for."""
        for at, (shade, low) in enumerate(zip(self._shades, self.lows, strict=True)):
            yield shade, low, self.lows[at + 1] - 1 if at + 1 < len(self.lows) else self.most


def _row(
    top: int, left: float, step: float, name: str, cells: Iterable[tuple[str, int]], scale: _Scale
) -> str:
    """Draw the boxes of a slot, and its name."""
    drawn = [f'<text x="{left - 10:.1f}" y="{top + 12}" text-anchor="end">{text(name)}</text>']
    for at, (when, count) in enumerate(cells):
        said = f"<title>{text(f'{when}  {name}: {count:,}')}</title>" if count else ""
        drawn.append(_box(left + at * step, top, step, scale.shade(count), said))
    return "".join(drawn)


def _box(x: float, y: float, step: float, shade: int, inside: str = "") -> str:
    name, fill = (f"h{shade}", SHADES[shade - 1]) if shade else ("none", "#8881")
    gap = 1 if step > 6 else 0
    shape = f'x="{x:.1f}" y="{y}" width="{step - gap:.2f}" height="{_ROW - 1}"'
    return f'<rect class="{name}" {shape} fill="{fill}">{inside}</rect>'


def _legend(left: float, top: int, scale: _Scale) -> tuple[str, float]:
    """Draw what the shades mean; return where that ends, too."""
    drawn, x = [], left
    for shade, low, high in scale.bounds():
        words = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        drawn.append(_box(x, top, _SWATCH, shade))
        drawn.append(f'<text class="dim" x="{x + _SWATCH + 4:.1f}" y="{top + 12}">{words}</text>')
        x += _SWATCH + 4 + drawing.CHAR * len(words) + 12
    return "".join(drawn), x
