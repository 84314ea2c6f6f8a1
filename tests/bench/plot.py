"""A drawing of curves on logarithmic axes, as SVG that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tests.bench.report import Curve

WIDTH, HEIGHT = 800, 340
#: Room around the curves: for the powers of ten, and on the right for what lines are called.
LEFT, RIGHT, TOP, BOTTOM = 84, 216, 16, 44
#: Told apart by eyes that see fewer colours, on light and on dark pages; then by their dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4")

_STYLE = """
text { font: 12px sans-serif; fill: #333 }
.grid { stroke: #ddd }
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .grid { stroke: #444 } }
"""


class Axis:
    """Powers of ten from below the least value to above the largest, along some pixels."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(self.low + 1, math.ceil(math.log10(max(values)) - 1e-9))
        self._begin, self._end = begin, end

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self._begin + share * (self._end - self._begin), 1)

    def marks(self) -> list[tuple[float, str]]:
        return [(self.at(10.0**power), _power(power)) for power in range(self.low, self.high + 1)]


def _power(power: int) -> str:
    """Return a power of ten as it is read: 0.01, 1,000, 1e7."""
    if not -4 < power < 6:
        return f"1e{power}"
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"


def drawing(curve: Curve) -> str:
    """Return the SVG of a curve without its points of nothing; empty if it has no others."""
    lines = {name: [p for p in line if min(p) > 0] for name, line in curve.lines.items()}
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    x = Axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(curve.title)}</title><style>{_STYLE}</style>",
        *_grid(x, y),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, curve.x, "middle"),
        '<g transform="translate(16 156) rotate(-90)">',
        _text(0, 0, curve.y, "middle"),
        "</g>",
    ]
    for number, (name, line) in enumerate(lines.items()):
        parts += _line(number, name, [(x.at(a), y.at(b)) for a, b in line])
    return "\n".join([*parts, "</svg>", ""])


def _grid(x: Axis, y: Axis) -> list[str]:
    low, high = HEIGHT - BOTTOM, TOP
    parts = []
    for at, text in x.marks():
        parts.append(f'<line class="grid" x1="{at}" y1="{high}" x2="{at}" y2="{low}"/>')
        parts.append(_text(at, low + 16, text, "middle"))
    for at, text in y.marks():
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}"/>')
        parts.append(_text(LEFT - 6, at + 4, text, "end"))
    return parts


def _line(number: int, name: str, places: Sequence[tuple[float, float]]) -> list[str]:
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    path = " ".join(f"{a},{b}" for a, b in places)
    beside = f'stroke="{colour}" stroke-dasharray="{dash}"'
    left, key = WIDTH - RIGHT + 24, TOP + 14 + 18 * number
    return [
        f'<polyline class="line" {beside} points="{path}"/>',
        *(f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>' for a, b in places),
        f'<path class="line" {beside} d="M{left} {key - 4}h24"/>',
        _text(left + 30, key, name, "start"),
    ]


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
