"""Where something stands in the user's source."""

from __future__ import annotations

from functools import lru_cache

from pyebpf.plain import Frozen


class Source(Frozen):
    """A text that probes were written in: a file, or a notebook cell.

    ``name`` is what messages show. ``text`` is the whole text, so that line ``n`` of a span is
    line ``n`` of the text. ``is_file`` is false for a cell or a string: its text goes into the
    debug info.
    """

    name: str
    text: str
    is_file: bool = True

    def __repr__(self) -> str:
        return f"Source({self.name!r})"  # the text is long

    def line(self, number: int) -> str:
        """Return line ``number`` (from 1) without its newline; empty past the end."""
        lines = _lines(self.text)
        return lines[number - 1] if 0 < number <= len(lines) else ""


@lru_cache(maxsize=16)  # asked for every span, and files are long
def _lines(text: str) -> list[str]:
    # Not splitlines(): to Python, form feeds and the like do not end a line.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class Span(Frozen):
    """A range of a source: lines from 1, columns in characters from 0, the end exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def text(self) -> str:
        """The first line that the span covers."""
        return self.source.line(self.line)

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column + 1}"
