"""What a diagnostic is: a frozen dataclass with a code, a span and named fields.

A class is the text of one fault; an instance is one occurrence. The class lives beside the code
that reports it. ``title``, ``label`` and ``help`` are templates filled from the instance's fields.
The docstring says why, then ``Wrong:`` and ``Right:`` with code that is run, and becomes the
documentation page.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar

from pyebpf.errors import CompileError
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.diag.span import Span


class _Fields(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


class Diagnostic(Frozen):
    """One fault at one place."""

    code: ClassVar[str] = ""
    title: ClassVar[str] = ""
    label: ClassVar[str] = ""
    help: ClassVar[str] = ""
    span: Span | None

    def _fill(self, template: str) -> str:
        return template.format_map(_Fields(vars(self)))

    @property
    def message(self) -> str:
        """The title, filled in."""
        return self._fill(self.title)

    @property
    def label_text(self) -> str:
        """What stands behind the caret, filled in."""
        return self._fill(self.label)

    @property
    def help_text(self) -> str:
        """What to do, filled in; empty if there is nothing to say."""
        return self._fill(self.help)


class Diagnostics:
    """The faults found so far in one compilation.

    Attributes:
        items: the faults, in the order of their report.
    """

    def __init__(self) -> None:
        self.items: list[Diagnostic] = []

    def report(self, item: Diagnostic) -> None:
        """Keep a fault; the same one at the same place counts once."""
        if item not in self.items:
            self.items.append(item)

    def has_errors(self) -> bool:
        """Tell whether anything was reported."""
        return bool(self.items)

    def raise_errors(self) -> None:
        """Raise all faults as one exception.

        Raises:
            CompileError: if there is any.
        """
        if self.items:
            from_top = sorted(self.items, key=_place)
            raise CompileError("\n\n".join(render(item) for item in from_top), tuple(from_top))


def _place(item: Diagnostic) -> tuple[str, int, int]:
    span = item.span
    return (span.source.name, span.line, span.column) if span else ("", 0, 0)


def render(item: Diagnostic) -> str:
    """Draw a diagnostic as text: headline, place, source line, caret, help."""
    head = f"error[{item.code}]: {item.message}"
    lines = [head]
    if item.span is not None:
        lines += _excerpt(item.span, item.label_text)
    if item.help_text:
        gutter = " " * (len(str(item.span.line)) if item.span else 0)
        lines.append(f"{gutter} = help: {item.help_text}")
    return "\n".join(lines)


def _excerpt(span: Span, label: str) -> list[str]:
    text = span.text.expandtabs(1)
    width = len(str(span.line))
    end = span.end_column if span.end_line == span.line else len(text)
    indent = " " * _cells(text[: span.column])
    carets = "^" * max(1, _cells(text[span.column : end]))
    pad = " " * width
    return [
        f"{pad}--> {span}",
        f"{pad} |",
        f"{span.line} | {text}",
        f"{pad} | {indent}{carets} {label}".rstrip(),
        f"{pad} |",
    ]


def _cells(text: str) -> int:
    """Return the columns of a terminal that a text takes: wide characters two, marks none."""
    marks = sum(unicodedata.combining(char) != 0 for char in text)
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text) - marks
