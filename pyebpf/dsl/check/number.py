"""Arithmetic and comparison of numbers at a width that holds them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.arith import fold, holding, operation_type, result_range
from pyebpf.dsl.check.convert import literal, need_number, to_int
from pyebpf.dsl.check.division import divide_mixed
from pyebpf.dsl.faults import Fault, Mismatch, NoNumber
from pyebpf.dsl.typed import Arith, Cast, Cmp, Expr, Literal
from pyebpf.dsl.types import BOOL, U64
from pyebpf.ir.nodes import BinaryOp, CompareOp

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.typed import Range
    from pyebpf.dsl.types import Int

BINARY: dict[type[ast.operator], BinaryOp] = {
    ast.Add: BinaryOp.ADD,
    ast.Sub: BinaryOp.SUB,
    ast.Mult: BinaryOp.MUL,
    ast.FloorDiv: BinaryOp.FLOORDIV,
    ast.Mod: BinaryOp.MOD,
    ast.BitAnd: BinaryOp.AND,
    ast.BitOr: BinaryOp.OR,
    ast.BitXor: BinaryOp.XOR,
    ast.LShift: BinaryOp.SHL,
    ast.RShift: BinaryOp.SHR,
}

_SIGNS = {
    CompareOp.EQ: (0,),
    CompareOp.NE: (-1, 1),
    CompareOp.LT: (-1,),
    CompareOp.LE: (-1, 0),
    CompareOp.GT: (1,),
    CompareOp.GE: (0, 1),
}


def arithmetic(op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr:
    """Return ``left op right`` at a width that holds it.

    Raises:
        Fault: an operand is no number, or the result has none.
    """
    left, right = need_number(left), need_number(right)
    known_left, known_right = left.range, right.range
    assert known_left is not None
    assert known_right is not None
    if op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and known_right == (0, 0):
        raise Fault(NoNumber(right.span))
    if op in (BinaryOp.SHL, BinaryOp.SHR) and known_right[1] < 0:
        raise Fault(Mismatch(right.span, expected="a shift of 0 or more", got=str(known_right[1])))
    if isinstance(left, Literal) and isinstance(right, Literal):
        return literal(fold(op, int(left.value), int(right.value)), span)
    divides = op in (BinaryOp.FLOORDIV, BinaryOp.MOD)
    if divides and _common(known_left, known_right) is None:
        divided = divide_mixed(op, left, right, span)
        known = result_range(op, known_left, known_right)
        exact = holding(known, prefer_unsigned=known[0] >= 0)
        return divided if exact in (None, U64) else Cast(exact, span, divided)
    kind, known = operation_type(op, known_left, known_right)
    return Arith(kind, span, op, to_int(left, kind), to_int(right, kind), known)


def _common(left: Range, right: Range) -> Int | None:
    # The type that holds both sides exactly; None for a large u64 and a number that may be
    # negative.
    return holding((min(left[0], right[0]), max(left[1], right[1])), prefer_unsigned=True)


def compare_numbers(kind: CompareOp, left: Expr, right: Expr, span: Span) -> Expr:
    """Return ``left kind right`` as a truth value, right for every mix of signs."""
    low, high = left.range, right.range
    assert low is not None
    assert high is not None
    if isinstance(left, Literal) and isinstance(right, Literal):
        value = left.value - right.value
        sign = (value > 0) - (value < 0)
        return literal(sign in _SIGNS[kind], span)
    common = _common(low, high)
    if common is None:
        return Cmp(BOOL, span, kind, left, right, None)
    return Cmp(BOOL, span, kind, to_int(left, common), to_int(right, common), common)
