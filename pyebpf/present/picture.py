"""What is looked at, as HTML and as text: of anything that draws or prints itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyebpf.plain import Frozen
from pyebpf.present import theme
from pyebpf.present.escape import printable


class Picture(Frozen):
    """The same for a notebook and for a terminal, which each take the one they can show.

    Attributes:
        html: for pages; everything in it is escaped.
        text: lines for terminals, safe to print.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def picture(value: Any) -> Picture:
    """Return how a value looks: as it draws itself, and else as it prints."""
    words = str(value)
    draw = getattr(value, "_repr_html_", None)
    drawn = draw() if callable(draw) else None
    if drawn is None:
        drawn = theme.page("text", f"<pre>{theme.lines(words)}</pre>")
    return Picture(drawn, "\n".join(map(printable, words.split("\n"))))


def gallery(named: Iterable[tuple[str, Picture]], note: str) -> Picture:
    """Put pictures beneath each other, each under its name if it has one, and a line at the end."""
    html, text = [], []
    for name, one in named:
        title = printable(name)
        head = f"<b>{theme.text(title)}</b>" if title else ""
        html.append(f"<div>{head}{one.html}</div>")
        text.append(f"{title}:\n{one.text}" if title else one.text)
    drawn = theme.page("live", *html, theme.note(note))
    return Picture(drawn, "\n".join([*text, note]))
