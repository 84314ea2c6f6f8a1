"""Conditions, and what is known on either side of them.

``if begin is not None:`` makes ``begin`` a plain value in the branch; so do ``if begin:``,
``and``, ``or``, ``not``, and an early return.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import to_bool
from pyebpf.dsl.check.effects import after
from pyebpf.dsl.typed import Bind, Expr, IsNone, Literal, Logic, Negation, Read
from pyebpf.dsl.types import BOOL, Address, Maybe, NoneType, Pointer
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

_NOTHING: frozenset[str] = frozenset()


class Facts(Frozen):
    """Variables that are not None if the condition holds, and if it does not."""

    if_true: frozenset[str] = _NOTHING
    if_false: frozenset[str] = _NOTHING

    def flipped(self) -> Facts:
        return Facts(self.if_false, self.if_true)


def condition(node: ast.expr, scope: Scope) -> tuple[Expr, Facts]:
    """Check an expression as a condition."""
    if isinstance(node, ast.BoolOp):
        return _logic(node, scope)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner, facts = condition(node.operand, scope)
        return negate(inner), facts.flipped()
    if is_none_test(node):
        assert isinstance(node, ast.Compare)
        return none_test(node, scope)
    value = scope.expr(node)
    present = _optional_name(value)
    return to_bool(value), Facts(if_true=present)


def negate(value: Expr) -> Expr:
    """Return ``not value`` of a truth value."""
    if isinstance(value, Literal):
        return Literal(BOOL, value.span, not value.value)
    return Negation(BOOL, value.span, value)


def is_none_test(node: ast.expr) -> bool:
    """Tell whether an expression is ``… is None`` or ``… is not None``."""
    return (
        isinstance(node, ast.Compare)
        and len(node.ops) == 1
        and isinstance(node.ops[0], (ast.Is, ast.IsNot))
        and isinstance(node.comparators[0], ast.Constant)
        and node.comparators[0].value is None
    )


def none_test(node: ast.Compare, scope: Scope) -> tuple[Expr, Facts]:
    """Check ``… is None`` or ``… is not None``."""
    value = scope.expr(node.left)
    span = scope.span(node)
    positive = isinstance(node.ops[0], ast.Is)
    if isinstance(value.type, NoneType):
        return after(value, Literal(BOOL, span, positive)), Facts()
    if isinstance(value.type, (Maybe, Pointer, Address)):
        test: Expr = IsNone(BOOL, span, value)
        facts = Facts(if_false=_optional_name(value))
        return (test, facts) if positive else (negate(test), facts.flipped())
    return after(value, Literal(BOOL, span, not positive)), Facts()


def _optional_name(value: Expr) -> frozenset[str]:
    if isinstance(value.type, (Maybe, Pointer)) and isinstance(value, (Read, Bind)):
        return frozenset((value.variable.name,))
    return _NOTHING


def _logic(node: ast.BoolOp, scope: Scope) -> tuple[Expr, Facts]:
    is_and = isinstance(node.op, ast.And)
    left, facts = condition(node.values[0], scope)
    for part in node.values[1:]:
        if isinstance(left, Literal) and bool(left.value) != is_and:
            return left, facts  # decided: Python would not look at the rest
        before = scope.flow
        scope.flow = before.knowing(facts.if_true if is_and else facts.if_false)
        right, more = condition(part, scope)
        # What the right side assigns or learns does not hold if it was skipped.
        fresh = scope.flow.present - before.present
        more = Facts(more.if_true | fresh, more.if_false | fresh)
        scope.flow = before
        left = _joined(left, right, is_and=is_and, scope=scope, node=node)
        facts = _both(facts, more) if is_and else _both(facts.flipped(), more.flipped()).flipped()
    return left, facts


def _joined(left: Expr, right: Expr, *, is_and: bool, scope: Scope, node: ast.AST) -> Expr:
    if isinstance(left, Literal):
        return right
    if isinstance(right, Literal) and bool(right.value) == is_and:
        return left
    return Logic(BOOL, scope.span(node), is_and, left, right)


def _both(left: Facts, right: Facts) -> Facts:
    return Facts(left.if_true | right.if_true, left.if_false & right.if_false)
