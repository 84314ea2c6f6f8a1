"""Division of a number too large for ``i64`` and one that may be negative.

No 64-bit type holds both, so the division is done on magnitudes and put right by the signs, as
Python rounds: down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import choice
from pyebpf.dsl.typed import Arith, Assign, Cast, Cmp, Expr, Inlined, Literal, Read, Variable
from pyebpf.dsl.types import BOOL, U64, Int
from pyebpf.ir.nodes import BinaryOp, CompareOp

if TYPE_CHECKING:
    from pyebpf.diag import Span

_FULL = (U64.low, U64.high)


def divide_mixed(op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr:
    """Return ``left // right`` or ``left % right``, one side ``u64`` and the other signed.

    The result has the bits of Python's, as ``u64``.
    """
    first, second = (Variable("", side.type, side.range) for side in (left, right))
    result = Variable("", U64, _FULL)
    a, b = Read(left.type, span, first), Read(right.type, span, second)
    signed_divisor = right.range is not None and right.range[0] < 0
    rule = _by_signed if signed_divisor else _of_signed
    divided = rule(op, a, b, span)
    body = [Assign(span, first, left), Assign(span, second, right), Assign(span, result, divided)]
    return Inlined(U64, span, list(body), result)


def _by_signed(op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr:
    size = _minus(Literal(U64, span, 0), _bits(right))  # of a negative divisor
    quotient, rest = _do(BinaryOp.FLOORDIV, left, size), _do(BinaryOp.MOD, left, size)
    none_left = _is_zero(rest)
    if op is BinaryOp.FLOORDIV:
        up = choice(none_left, quotient, _do(BinaryOp.ADD, quotient, Literal(U64, span, 1)), span)
        negative = _minus(Literal(U64, span, 0), up)
    else:
        negative = choice(none_left, rest, _minus(rest, size), span)
    return choice(_is_negative(right), negative, _do(op, left, _bits(right)), span)


def _of_signed(op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr:
    one = Literal(U64, span, 1)
    below = _minus(_minus(Literal(U64, span, 0), _bits(left)), one)  # |left| - 1
    if op is BinaryOp.FLOORDIV:
        steps = _do(BinaryOp.ADD, _do(BinaryOp.FLOORDIV, below, right), one)
        negative = _minus(Literal(U64, span, 0), steps)
    else:
        negative = _minus(_minus(right, one), _do(BinaryOp.MOD, below, right))
    return choice(_is_negative(left), negative, _do(op, _bits(left), right), span)


def _do(op: BinaryOp, left: Expr, right: Expr) -> Expr:
    return Arith(U64, left.span, op, left, right, _FULL)


def _minus(left: Expr, right: Expr) -> Expr:
    return _do(BinaryOp.SUB, left, right)


def _bits(value: Expr) -> Expr:
    return value if value.type == U64 else Cast(U64, value.span, value)


def _is_zero(value: Expr) -> Expr:
    return Cmp(BOOL, value.span, CompareOp.EQ, value, Literal(U64, value.span, 0), U64)


def _is_negative(value: Expr) -> Expr:
    assert isinstance(value.type, Int)
    zero = Literal(value.type, value.span, 0)
    return Cmp(BOOL, value.span, CompareOp.LT, value, zero, value.type)
