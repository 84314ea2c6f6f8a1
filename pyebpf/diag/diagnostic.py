"""What a diagnostic is: a frozen dataclass with a code, a span and named fields.

A class is the text of one fault; an instance is one occurrence. The class lives beside the code
that reports it. ``title``, ``label`` and ``help`` are templates filled from the instance's fields;
so is ``origin_label``, of a class with a field ``origin``: the place where what is wrong began.
The docstring says why, then ``Wrong:`` and ``Right:`` with code that is run, and becomes the
documentation page.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

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
    origin_label: ClassVar[str] = ""
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
    def origin_place(self) -> Span | None:
        """Where it began, if the class knows that."""
        return getattr(self, "origin", None)

    @property
    def origin_text(self) -> str:
        """What stands behind the line below that place, filled in."""
        return self._fill(self.origin_label)

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
    """Draw a diagnostic as text: headline, place, source lines, carets, help."""
    lines = [f"error[{item.code}]: {item.message}"]
    width = 0
    if item.span is not None:
        marks = [_Mark(item.span, item.label_text, "^")]
        began = item.origin_place
        if began is not None and (began.source, began.line) != (item.span.source, item.span.line):
            marks.append(_Mark(began, item.origin_text, "-"))
        width = max(len(str(mark.span.line)) for mark in marks)
        lines += _excerpts(marks, width)
    if item.help_text:
        lines.append(f"{' ' * width} = help: {item.help_text}")
    return "\n".join(lines)


class _Mark(NamedTuple):
    """A part of a line to be shown, what to say of it, and how to draw the line below it."""

    span: Span
    label: str
    line: str


def _excerpts(marks: list[_Mark], width: int) -> list[str]:
    """Draw the first mark, and others above or below it in the order of their source."""
    pad, place = " " * width, marks[0].span
    here = [mark for mark in marks if mark.span.source == place.source]
    here.sort(key=lambda mark: mark.span.line)
    lines = [f"{pad}--> {place}", f"{pad} |"]
    for before, mark in zip([None, *here], here, strict=False):
        if before is not None and mark.span.line > before.span.line + 1:
            lines.append(f"{pad}...")
        lines += _marked(mark, width)
    for mark in marks:
        if mark not in here:
            lines += [f"{pad} |", f"{pad}::: {mark.span}", f"{pad} |", *_marked(mark, width)]
    return [*lines, f"{pad} |"]


def _marked(mark: _Mark, width: int) -> list[str]:
    span = mark.span
    text = span.text.expandtabs(1)
    end = span.end_column if span.end_line == span.line else len(text)
    indent = " " * _cells(text[: span.column])
    below = mark.line * max(1, _cells(text[span.column : end]))
    return [
        f"{span.line:>{width}} | {text}",
        f"{' ' * width} | {indent}{below} {mark.label}".rstrip(),
    ]


def _cells(text: str) -> int:
    """Return the columns of a terminal that a text takes: wide characters two, marks none."""
    marks = sum(unicodedata.combining(char) != 0 for char in text)
    return len(text) + sum(unicodedata.east_asian_width(char) in "WF" for char in text) - marks
