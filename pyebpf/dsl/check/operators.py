"""Operators between numbers, `**` with a constant exponent among them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import literal, need_number
from pyebpf.dsl.check.effects import after
from pyebpf.dsl.check.number import BINARY, arithmetic
from pyebpf.dsl.typed import Expr, Literal, Text
from pyebpf.dsl.types import Static
from pyebpf.ir.nodes import BinaryOp

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

#: No number but -1, 0 and 1 has a larger power that fits in 64 bits.
MAX_EXPONENT = 64
#: So often a constant text is repeated at most: more fits nowhere.
MAX_TEXT = 1 << 16


_NONE = {ast.Div: ("`/`", "use `//`"), ast.MatMult: ("`@`", "")}


def operate(node: ast.BinOp | ast.AugAssign, left: Expr, right: Expr, scope: Scope) -> Expr:
    """Check ``left op right``.

    Raises:
        Fault: probes have no such operator, or not for these.
    """
    op = BINARY.get(type(node.op))
    if isinstance(left, Text) or isinstance(right, Text):
        joined = _joined(node.op, left, right)
        if joined is not None:
            return Text(Static(joined), scope.span(node), joined)
    if op is not None:
        return arithmetic(op, left, right, scope.span(node))
    if isinstance(node.op, ast.Pow):
        return power(left, right, node, scope)
    raise scope.unsupported(node, *_NONE[type(node.op)])


def _joined(op: ast.operator, left: Expr, right: Expr) -> str | None:
    """Return the constant text that ``"a" + "b"`` and ``"=" * 20`` are; None if this is neither."""
    if isinstance(op, ast.Add) and isinstance(left, Text) and isinstance(right, Text):
        return left.value + right.value
    text, count = (left, right) if isinstance(left, Text) else (right, left)
    if isinstance(op, ast.Mult) and isinstance(text, Text) and isinstance(count, Literal):
        return text.value * min(int(count.value), MAX_TEXT)
    return None


def power(left: Expr, right: Expr, node: ast.AST, scope: Scope) -> Expr:
    """Check ``left ** right``.

    Raises:
        Fault: the exponent is not constant, negative, or too large.
    """
    span = scope.span(node)
    base, exponent = need_number(left), need_number(right)
    if isinstance(exponent, Literal):
        count = int(exponent.value)
        if isinstance(base, Literal) and 0 <= count <= MAX_EXPONENT:
            return literal(int(base.value) ** count, span)
        if not 0 <= count <= MAX_EXPONENT:
            advice = f"an exponent is a constant from 0 to {MAX_EXPONENT}"
            raise scope.unsupported(node, f"the exponent {count}", advice)
        return _by_squares(base, count, node, scope)
    if isinstance(base, Literal) and base.value == 2:
        return arithmetic(BinaryOp.SHL, literal(1, span), exponent, span)
    advice = "only of 2: a loop multiplies, and `1 << n` is a power of two"
    raise scope.unsupported(node, "an exponent that is not constant", advice)


def _by_squares(base: Expr, count: int, node: ast.AST, scope: Scope) -> Expr:
    span = scope.span(node)
    if count == 0:
        return after(base, literal(1, span))
    value, again = scope.temporary(base)
    if count == 1:
        return value
    half = _by_squares(value, count // 2, node, scope)
    kept, half_again = scope.temporary(half)
    square = arithmetic(BinaryOp.MUL, kept, half_again, span)
    return arithmetic(BinaryOp.MUL, square, again, span) if count % 2 else square
