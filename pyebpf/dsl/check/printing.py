"""``print`` in a probe: the values travel in a buffer of records and are formatted in user space.

The f-string is taken apart here; Python's own ``format`` puts it together again on the other side,
so any number of values and every format specification works.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyebpf.abi.helpers import HELPERS
from pyebpf.dsl.check.convert import (
    need_number,
    need_value,
    points_to_text,
    text_behind,
    to_int,
)
from pyebpf.dsl.check.objects import need_helper
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Effect, Expr, Literal, Pack, Print, Stmt, Text
from pyebpf.dsl.types import I64, NONE, U64, Address, Bool, Chars, Int, Pointer, shown
from pyebpf.spec.octets import octets_value
from pyebpf.spec.types import Octets
from pyebpf.spec.views import PrintPart, PrintSpec

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: A printed record starts with its number (4 bytes) and padding (4 bytes).
HEADER = 8
#: So much is printed of a text that a pointer points to: the longest name of a file, and its NUL.
_POINTED_TO = 256
#: With what formats of numbers end: a pointer is printed as one if it is asked for so.
_NUMBERS = tuple("bcdnoxX")
_CONVERSIONS = {-1: "", 115: "s", 114: "r", 97: "a"}


@dataclass
class _Line:
    """A line being put together: pieces of text with values between them."""

    literals: list[str] = field(default_factory=lambda: [""])
    parts: list[PrintPart] = field(default_factory=list)
    values: list[Expr] = field(default_factory=list)
    size: int = HEADER

    def text(self, piece: str) -> None:
        self.literals[-1] += piece

    def value(self, expr: Expr, conversion: str, spec: str, numbers: tuple[Expr, ...] = ()) -> None:
        """Add a value. Each NUL in the specification stands for one of the numbers."""
        if points_to_text(need_value(expr).type) and spec[-1:] not in _NUMBERS:
            expr = text_behind(expr, _POINTED_TO)
        kind = expr.type
        if isinstance(expr, Pack) and not spec:
            self.tuple(expr)
            return
        if isinstance(expr, (Literal, Text)):
            if not numbers:
                self.text(_formatted(expr, conversion, spec))
                return
            advice = "a format with a variable in it is for variables: write the constant as text"
            raise Fault(WrongCall(expr.span, name="print", why="formats this now", advice=advice))
        if not isinstance(kind, (Int, Bool, Chars, Address, Pointer, Octets)):
            raise Fault(Mismatch(expr.span, expected="a number or text", got=shown(kind)))
        text = isinstance(kind, (Chars, Octets))
        bytes_used = kind.size if text else 8
        size = -(-bytes_used // 8) * 8
        role = kind.role if isinstance(kind, Octets) else ""
        _check_format(expr, conversion, spec.replace("\0", "1"), sample(kind))
        signed = isinstance(kind, Int) and kind.signed
        boolean = isinstance(kind, Bool)
        self.parts.append(
            PrintPart(self.size, bytes_used, text, signed, conversion, spec, boolean, role)
        )
        self.values.append(expr if text else to_int(expr, I64 if signed else U64))
        self.literals.append("")
        self.size += size
        for number in numbers:
            self.value(need_number(number), "", "")

    def tuple(self, expr: Pack) -> None:
        """Add a tuple as Python writes it, all of whose conversions are the same."""
        self.text("(")
        for number, item in enumerate(expr.items):
            self.text(", " if number else "")
            self.value(item, "r", "")
        self.text(",)" if len(expr.items) == 1 else ")")


def _converted(value: object, conversion: str) -> object:
    return {"": value, "s": str(value), "r": repr(value), "a": ascii(value)}[conversion]


def _formatted(expr: Literal | Text, conversion: str, spec: str) -> str:
    value: object = expr.value
    if isinstance(expr, Literal) and isinstance(expr.type, Bool):
        value = bool(value)
    return _format(expr, _converted(value, conversion), spec)


def sample(kind: object) -> object:
    """Return some value of what is printed, to try a format with."""
    if isinstance(kind, Octets):
        return octets_value(kind.role, bytes(kind.length))
    return "" if isinstance(kind, Chars) else 0


def _check_format(expr: Expr, conversion: str, spec: str, value: object) -> None:
    _format(expr, _converted(value, conversion), spec)


def _format(expr: Expr, value: object, spec: str) -> str:
    try:
        return format(value, spec)
    except (ValueError, TypeError):
        # Not in Python's words: they differ from version to version.
        number = isinstance(value, int)
        what = "text" if isinstance(value, str) else "a number" if number else f"{expr.type}"
        raise Fault(WrongCall(expr.span, name=spec, why=f"is no format for {what}")) from None


def print_line(node: ast.Call, scope: Scope) -> Expr:
    """Check ``print(...)``."""
    span = scope.span(node)
    _need_buffer("print", span, scope)
    words = {"sep": " ", "end": "\n"}
    for keyword in node.keywords:
        if keyword.arg not in words:
            why = f"takes no `{keyword.arg}` in a probe"
            raise Fault(WrongCall(span, name="print", why=why))
        value = scope.expr(keyword.value)
        if not isinstance(value, Text):
            raise Fault(Mismatch(value.span, expected="a constant text", got=shown(value.type)))
        words[keyword.arg] = value.value
    line = _Line()
    for number, arg in enumerate(node.args):
        line.text(words["sep"] if number else "")
        _piece(arg, line, scope)
    layout = PrintSpec(tuple(line.literals), tuple(line.parts), line.size, words["end"])
    return Effect(NONE, span, Print(span, _number(layout, scope), layout, tuple(line.values)))


def failure_line(name: str, args: list[ast.expr], node: ast.stmt, scope: Scope) -> Stmt:
    """Return the line that an exception leaves: its name, its message, and where."""
    span = scope.span(node)
    _need_buffer("`assert`" if isinstance(node, ast.Assert) else "`raise`", span, scope)
    line = _Line()
    line.text(name)
    for number, arg in enumerate(args):
        line.text(", " if number else ": ")
        _piece(arg, line, scope)
    line.text(f" ({scope.source.node.name}, line {span.line})")
    layout = PrintSpec(tuple(line.literals), tuple(line.parts), line.size, "\n")
    return Print(span, _number(layout, scope), layout, tuple(line.values))


def _need_buffer(what: str, span: Span, scope: Scope) -> None:
    """Check that lines come out: without ring buffers they go through perf events."""
    if scope.unit.target.lacks("ringbuf"):
        need_helper(HELPERS["perf_event_output"], what, span, scope)


def _number(layout: PrintSpec, scope: Scope) -> int:
    if layout not in scope.unit.prints:
        scope.unit.prints.append(layout)
    return scope.unit.prints.index(layout)


def _piece(node: ast.expr, line: _Line, scope: Scope) -> None:
    if not isinstance(node, ast.JoinedStr):
        line.value(scope.expr(node), "", "")
        return
    for part in node.values:
        if isinstance(part, ast.Constant):
            line.text(str(part.value))
        else:
            assert isinstance(part, ast.FormattedValue)
            value = scope.expr(part.value)
            spec, numbers = _specification(part.format_spec, scope)
            line.value(value, _CONVERSIONS[part.conversion], spec, numbers)


def _specification(node: ast.expr | None, scope: Scope) -> tuple[str, tuple[Expr, ...]]:
    """Return a format, and the numbers in it that are not constant: each is a NUL in the format."""
    if node is None:
        return "", ()
    assert isinstance(node, ast.JoinedStr)
    out, numbers = "", list[Expr]()
    for part in node.values:
        if isinstance(part, ast.Constant):
            out += str(part.value)
            continue
        assert isinstance(part, ast.FormattedValue)
        value = scope.expr(part.value)
        if isinstance(value, (Literal, Text)):
            out += str(value.value)
            continue
        if not isinstance(value.type, Int) or part.format_spec or part.conversion != -1:
            raise scope.unsupported(part.value, "this in a format", "a number, as it is")
        numbers.append(value)
        out += "\0"
    return out, tuple(numbers)
