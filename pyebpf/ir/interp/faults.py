"""What goes wrong while a probe is interpreted, said at the user's line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from pyebpf.diag import Span


class ProbeFault(PyebpfError):  # noqa: N818 - public, and no bug of the caller
    """A probe did what the kernel would refuse or cannot survive. ``str()`` names the Python line.

    Attributes:
        reason: what happened, in one sentence.
        span: where in the Python source; None if the instruction belongs to no line.
        function: the program or function that was running.
    """

    def __init__(self, reason: str, span: Span | None = None, function: str = "") -> None:
        super().__init__(_text(reason, span, function))
        self.reason = reason
        self.span = span
        self.function = function


def _text(reason: str, span: Span | None, function: str) -> str:
    where = f" (in {function})" if function else ""
    if span is None:
        return f"{reason}{where}"
    text = span.text
    end = span.end_column if span.end_line == span.line else len(text)
    caret = " " * span.column + "^" * max(1, end - span.column)
    return f"{span}: {reason}{where}\n  {text}\n  {caret}"
