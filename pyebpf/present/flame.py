"""Flame graphs as SVG: each box a function, as wide as what was counted in it and what it called.

Self-contained: nothing is fetched. A title shows under the mouse, and a small script enlarges the
box that is clicked; without scripts the drawing is the same. Boxes have colours with dark text that
are read on light and on dark pages; what stands beside them takes the page's own colour.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from pyebpf.present.escape import printable

PROCESS, USER, KERNEL = "process", "user", "kernel"

_WIDTH, _ROW, _HEAD, _FOOT, _SIDE = 1200, 18, 34, 24, 10
_CHAR = 7.25  # room for one character at this size
#: Narrower boxes cannot be seen, and there may be many: the foot says how many.
_NARROWEST = 0.4
#: Hue, and how far it varies from name to name, so that neighbours can be told apart.
_HUES = {PROCESS: (220, 0, 12), USER: (38, 26, 85), KERNEL: (200, 24, 62)}
_PAGE = (
    "svg.pyebpf-flame{color:#1f2328;background:#fff}@media (prefers-color-scheme:dark)"
    "{svg.pyebpf-flame{color:#e6edf3;background:#14171c}}"
)
_STYLE = (
    ".pyebpf-flame{font:12px ui-monospace,monospace;max-width:100%;height:auto}"
    ".pyebpf-flame g[data-x]{cursor:pointer}.pyebpf-flame g[data-x]:hover rect{stroke:#000;"
    "stroke-width:1.2}.pyebpf-flame g[data-x] text{fill:#16181d;pointer-events:none}"
    ".pyebpf-flame .up{opacity:.7}"
)
# No "<" and no "&": it is the same text to parsers of XML and of HTML.
_SCRIPT = """
document.querySelectorAll('svg.pyebpf-flame:not([data-on])').forEach(function (svg) {
  svg.setAttribute('data-on', '');
  var boxes = Array.from(svg.querySelectorAll('g[data-x]'));
  var all = Number(svg.dataset.width), side = Number(svg.dataset.side);
  function show(x, w, row) {
    boxes.forEach(function (g) {
      var gx = Number(g.dataset.x), gw = Number(g.dataset.w);
      var from = Math.max(gx, x), to = Math.min(gx + gw, x + w);
      var on = to - from > 1e-6;
      g.style.display = on ? '' : 'none';
      g.classList.toggle('up', on ? row > Number(g.dataset.row) : false);
      if (!on) return;
      var at = side + (from - x) / w * all, wide = (to - from) / w * all;
      var rect = g.querySelector('rect'), text = g.querySelector('text');
      rect.setAttribute('x', at);
      rect.setAttribute('width', Math.max(wide - 0.5, 0.3));
      text.setAttribute('x', at + 4);
      var fit = Math.floor((wide - 8) / 7.25), name = Array.from(g.dataset.name);
      text.textContent = 3 > fit ? '' : fit >= name.length ? g.dataset.name
        : name.slice(0, fit - 1).join('') + '\\u2026';
    });
  }
  svg.addEventListener('click', function (event) {
    var g = event.target.closest('g[data-x]');
    if (g) show(Number(g.dataset.x), Number(g.dataset.w), Number(g.dataset.row));
    else show(0, 1, 0);
  });
});
"""


class _Node:
    """A function as called from where it is: its count, and what it called."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind, self.count = name, kind, 0
        self.children: dict[tuple[str, str], _Node] = {}


class _Box(NamedTuple):
    node: _Node
    left: float
    share: float
    row: int


class FlameGraph:
    """Stacks drawn over each other, the outermost function at the bottom.

    Args:
        stacks: of each its frames, the outermost first, as pairs of a name and ``"process"``,
            ``"user"`` or ``"kernel"``; and its count.
        title: stands above.
        unit: what the counts are of.
    """

    def __init__(
        self,
        stacks: Iterable[tuple[Iterable[tuple[str, str]], int]],
        *,
        title: str = "Flame graph",
        unit: str = "samples",
    ) -> None:
        self.title, self.unit = title, unit
        self._root = _Node("all", PROCESS)
        for frames, count in stacks:
            node = self._root
            node.count += count
            for frame in frames:
                node = node.children.setdefault(frame, _Node(*frame))
                node.count += count

    def __repr__(self) -> str:
        return f"<FlameGraph {self.title!r}, {self._root.count} {self.unit}>"

    def svg(self) -> str:
        """Return the drawing as the text of a file, with a background of its own."""
        return self._drawn(_PAGE + _STYLE)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`svg` to a file, for a browser."""
        Path(path).write_text(self.svg(), encoding="utf-8")

    def _repr_html_(self) -> str:
        return self._drawn(_STYLE)

    def _repr_svg_(self) -> str:
        return self.svg()

    def _drawn(self, style: str) -> str:
        boxes = list(self._boxes())
        drawn = [box for box in boxes if box.share * _WIDTH >= _NARROWEST]
        rows = max((box.row for box in drawn), default=-1) + 1
        height = _HEAD + rows * _ROW + _FOOT
        wide = _WIDTH + 2 * _SIDE
        hidden = len(boxes) - len(drawn)
        foot = f"{self._root.count:,} {self.unit}; click a box to enlarge it, beside it to go back"
        foot += f"; {hidden:,} boxes too narrow to draw" if hidden else ""
        base = _HEAD + (rows - 1) * _ROW
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="pyebpf-flame" role="img" '
            f'aria-label="{_text(self.title)}" width="{wide}" height="{height}" '
            f'viewBox="0 0 {wide} {height}" data-width="{_WIDTH}" data-side="{_SIDE}">'
            f"<style>{style}</style>"
            f'<rect width="{wide}" height="{height}" fill="none" pointer-events="all"/>'
            f'<text x="{wide / 2:g}" y="22" text-anchor="middle" font-size="15" '
            f'font-weight="bold" fill="currentColor">{_text(self.title)}</text>'
            f"{''.join(self._box(box, base - box.row * _ROW) for box in drawn)}"
            f'<text x="{_SIDE}" y="{height - 8}" fill="currentColor" opacity=".7">{_text(foot)}'
            f"</text><script>{_SCRIPT}</script></svg>"
        )

    def _boxes(self) -> Iterator[_Box]:
        """Yield all boxes; what a function called lies above it, sorted by name."""
        if not self._root.count:
            return
        waiting = [_Box(self._root, 0.0, 1.0, 0)]
        while waiting:
            box = waiting.pop()
            yield box
            left = box.left
            for _, child in sorted(box.node.children.items()):
                share = child.count / self._root.count
                waiting.append(_Box(child, left, share, box.row + 1))
                left += share

    def _box(self, box: _Box, top: int) -> str:
        name, width = printable(box.node.name), box.share * _WIDTH
        at = _SIDE + box.left * _WIDTH
        said = f"{name} ({box.node.count:,} {self.unit}, {100 * box.share:.4g} %)"
        return (
            f'<g data-x="{box.left:.7g}" data-w="{box.share:.7g}" data-row="{box.row}" '
            f'data-name="{escape(name)}"><title>{_text(said)}</title>'
            f'<rect x="{at:.2f}" y="{top}" width="{max(width - 0.5, 0.3):.2f}" '
            f'height="{_ROW - 1}" rx="2" fill="{_colour(box.node)}"/>'
            f'<text x="{at + 4:.2f}" y="{top + 12.5}">{escape(_fitted(name, width))}</text></g>'
        )


def _fitted(name: str, width: float) -> str:
    """Return as much of a name as there is room for; nothing if that is too little to read."""
    fit = int((width - 8) / _CHAR)
    if fit < 3:
        return ""
    return name if len(name) <= fit else f"{name[: fit - 1]}…"


def _colour(node: _Node) -> str:
    """Return a light colour, the same for each name in every drawing."""
    hue, spread, strength = _HUES[node.kind]
    number = crc32(node.name.encode("utf-8", "surrogateescape"))
    shade = hue + (number % 1000 / 999 - 0.5) * spread
    return f"hsl({shade:.0f} {strength}% {66 + number // 1000 % 12}%)"


def _text(value: str) -> str:
    return escape(printable(value))
