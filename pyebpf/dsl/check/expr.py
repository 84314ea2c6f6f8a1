"""Expressions: from syntax to typed tree."""

from __future__ import annotations

import ast
import operator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.arrays import MAX_ITEMS, items, of_list, repeated
from pyebpf.dsl.check.assign import is_constant, note_copy
from pyebpf.dsl.check.call import call
from pyebpf.dsl.check.convert import (
    assign_to,
    choice,
    literal,
    need_number,
    need_value,
    pack,
    points_to_text,
    text_behind,
    to_bool,
)
from pyebpf.dsl.check.dicts import dict_of, keys_of
from pyebpf.dsl.check.effects import after, following, has_effects, once
from pyebpf.dsl.check.iterate import bounds_of
from pyebpf.dsl.check.map_use import as_map
from pyebpf.dsl.check.maps import contains
from pyebpf.dsl.check.member import attribute, subscript
from pyebpf.dsl.check.name import constant, name, of_object
from pyebpf.dsl.check.narrow import condition, is_none_test, negate, none_test
from pyebpf.dsl.check.number import arithmetic, compare_numbers
from pyebpf.dsl.check.octets import compare_octets, is_octets
from pyebpf.dsl.check.operators import operate
from pyebpf.dsl.check.questions import answer_of, for_others
from pyebpf.dsl.check.text import compare_text, either, is_text
from pyebpf.dsl.check.trust import of_pointer
from pyebpf.dsl.check.tuples import choose_items, tuples_to_choose, tuples_to_compare
from pyebpf.dsl.check.unpacking import starred_items
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.typed import Bind, Expr, Literal, Logic, Pack, Same, Text
from pyebpf.dsl.types import (
    BOOL,
    Address,
    Array,
    Bool,
    Chars,
    Maybe,
    NoneType,
    Pointer,
    Static,
    Tuple,
    is_number,
    shown,
)
from pyebpf.ir.nodes import BinaryOp, CompareOp
from pyebpf.spec.types import Octets

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

COMPARE: dict[type[ast.cmpop], CompareOp] = {
    ast.Eq: CompareOp.EQ,
    ast.NotEq: CompareOp.NE,
    ast.Lt: CompareOp.LT,
    ast.LtE: CompareOp.LE,
    ast.Gt: CompareOp.GT,
    ast.GtE: CompareOp.GE,
}
#: What gives a member of an ``enum.Flag`` again.
_OF_FLAGS = {ast.BitOr: operator.or_, ast.BitAnd: operator.and_, ast.BitXor: operator.xor}


def _binary(node: ast.BinOp, scope: Scope) -> Expr:
    if isinstance(node.op, ast.Mult):
        if isinstance(node.left, ast.List):
            return repeated(node.left, scope.expr(node.right), node, scope)
        if isinstance(node.right, ast.List):
            return repeated(node.right, scope.expr(node.left), node, scope)
    left, right = scope.expr(node.left), scope.expr(node.right)
    flags = _flags(node, left, right, scope)
    return operate(node, left, right, scope) if flags is None else flags


def _flags(node: ast.BinOp, left: Expr, right: Expr, scope: Scope) -> Expr | None:
    """Check ``Flag.READ | Flag.WRITE``: a member again; None if it is something else."""
    change = _OF_FLAGS.get(type(node.op))
    if change is None or not isinstance(left, Literal) or not isinstance(right, Literal):
        return None
    if not isinstance(left, typed.FlagMember) and not isinstance(right, typed.FlagMember):
        return None
    one, other = (getattr(side, "member", side.value) for side in (left, right))
    return of_object(change(one, other), node, scope)


def _unary(node: ast.UnaryOp, scope: Scope) -> Expr:
    if isinstance(node.op, ast.Not):
        return condition(node, scope)[0]
    span = scope.span(node)
    operand = scope.expr(node.operand)
    if isinstance(node.op, ast.Invert) and isinstance(operand, typed.FlagMember):
        return of_object(~operand.member, node, scope)  # all other members, since Python 3.11
    operand = need_number(operand)
    if isinstance(node.op, ast.UAdd):
        return operand
    if isinstance(node.op, ast.USub):
        return arithmetic(BinaryOp.SUB, literal(0, span), operand, span)
    return arithmetic(BinaryOp.XOR, operand, literal(-1, span), span)


def _logic(node: ast.BoolOp, scope: Scope) -> Expr:
    """``a or b`` as a value: Python gives one of the operands."""
    is_and = isinstance(node.op, ast.And)
    values = [scope.expr(node.values[0])]
    before = scope.flow
    for done, part in pairwise(node.values):
        test, facts = condition(done, scope)
        if isinstance(test, Literal) and bool(test.value) != is_and:
            break  # decided: Python would not look at the rest
        scope.flow = scope.flow.knowing(facts.if_true if is_and else facts.if_false)
        values.append(scope.expr(part))
    scope.flow = before
    if all(isinstance(value.type, Bool) for value in values):
        return condition(node, scope)[0]
    result = values[-1]
    for value in reversed(values[:-1]):
        if isinstance(value, Text):  # constant, and Python looks at what follows
            continue
        if isinstance(value.type, NoneType):  # known, though what gives it may do something
            result = value if is_and else after(value, result)
            continue
        bound, again = scope.temporary(value)
        test = to_bool(bound)
        if isinstance(test, Literal):
            result = after(value, result) if bool(test.value) == is_and else value
        else:
            if isinstance(again.type, Maybe) and not is_and:
                again = typed.Unwrap(again.type.inner, again.span, again)
            then, other = (result, again) if is_and else (again, result)
            result = choice(test, then, other, scope.span(node))
    return result


def _compare(node: ast.Compare, scope: Scope) -> Expr:
    if is_none_test(node):
        return none_test(node, scope)[0]
    left = scope.expr(node.left)
    result: Expr | None = None
    for number, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
        inside = _in_range(op, left, right_node, scope) if len(node.ops) == 1 else None
        if inside is not None:
            return inside
        right = _right_side(op, right_node, scope)
        following = right
        if number + 1 < len(node.ops) and (
            is_number(right.type) or isinstance(right.type, (Chars, Octets))
        ):
            right, following = scope.temporary(right)  # evaluated once, compared twice
        part = comparison(op, left, right, scope, node)
        result = part if result is None else _chain(result, part, scope.span(node))
        left = following
    assert result is not None
    return result


def _in_range(op: ast.cmpop, left: Expr, node: ast.expr, scope: Scope) -> Expr | None:
    """Check ``n in range(…)``; None if it is something else."""
    if not isinstance(op, (ast.In, ast.NotIn)) or not isinstance(node, ast.Call):
        return None
    if not isinstance(node.func, ast.Name) or scope.is_local(node.func.id):
        return None
    if scope.outer(node.func.id, node) is not range:
        return None
    span = scope.span(node)
    keep, value = scope.keep(need_number(left))
    start, stop, step = bounds_of(node, scope)
    first, last = (CompareOp.LE, CompareOp.GT) if step > 0 else (CompareOp.GE, CompareOp.LT)
    found = _chain(
        compare_numbers(first, start, value, span), compare_numbers(last, stop, value, span), span
    )
    if abs(step) != 1:
        far, near = (value, start) if step > 0 else (start, value)  # no negative number, if found
        distance = arithmetic(BinaryOp.SUB, far, near, span)
        rest = arithmetic(BinaryOp.MOD, distance, literal(abs(step), span), span)
        found = _chain(found, compare_numbers(CompareOp.EQ, rest, literal(0, span), span), span)
    found = after(keep, found)
    return negate(found) if isinstance(op, ast.NotIn) else found


def _right_side(op: ast.cmpop, node: ast.expr, scope: Scope) -> Expr:
    if isinstance(op, (ast.In, ast.NotIn)) and isinstance(node, ast.Set):  # as good as a tuple
        return pack([scope.expr(item) for item in node.elts], scope.span(node))
    return scope.expr(node)


def _chain(left: Expr, right: Expr, span: Span) -> Expr:
    if isinstance(left, Literal):
        return right if left.value else left
    return Logic(BOOL, span, True, left, right)


def comparison(  # noqa: PLR0911 - one return for each kind of operands
    op: ast.cmpop, left: Expr, right: Expr, scope: Scope, node: ast.AST
) -> Expr:
    """Check ``left op right``."""
    if isinstance(op, (ast.In, ast.NotIn)):
        found = _membership(left, right, scope, node)
        return negate(found) if isinstance(op, ast.NotIn) else found
    kind = COMPARE.get(type(op))
    if kind is None:
        raise scope.unsupported(node, "`is`", "use `==`; `is` works with None only")
    need_value(left)
    need_value(right)
    span = scope.span(node)
    pairs = tuples_to_compare(left, right, scope) if kind in (CompareOp.EQ, CompareOp.NE) else None
    if pairs is not None:
        before, left, right = pairs
        same = _same_items(left, right, scope, node)
        return following(before, same if kind is CompareOp.EQ else negate(same))
    if isinstance(left, Text) and isinstance(right, Text):
        return literal(_text_result(kind, left.value, right.value), span)
    left, right = _behind(left, right), _behind(right, left)
    if is_octets(left) or is_octets(right):
        return compare_octets(kind, left, right, scope, node)
    if is_text(left) and is_text(right):
        return compare_text(kind, left, right, scope, node)
    addresses = (Pointer, Address)
    if isinstance(left.type, addresses) and isinstance(right.type, addresses):
        if kind not in (CompareOp.EQ, CompareOp.NE):
            raise scope.unsupported(node, "an order of pointers", "compare with == or !=")
        return Same(BOOL, span, kind, left, right)
    return compare_numbers(kind, need_number(left), need_number(right), span)


def _same_items(left: Pack, right: Pack, scope: Scope, node: ast.AST) -> Expr:
    if len(left.items) != len(right.items):
        return literal(False, scope.span(node))
    found: Expr = literal(True, scope.span(node))
    for one, other in zip(left.items, right.items, strict=True):
        same = comparison(ast.Eq(), one, other, scope, node)
        if isinstance(same, Literal) and not same.value:
            return same
        found = same if isinstance(found, Literal) else _chain(found, same, scope.span(node))
    return found


def _behind(side: Expr, other: Expr) -> Expr:
    """Return the text behind a pointer that is compared with a constant: enough to tell."""
    if points_to_text(side.type) and isinstance(other, Text):
        return text_behind(side, len(other.value.encode()) + 2)
    return side


def _text_result(kind: CompareOp, left: str, right: str) -> bool:
    sign = (left > right) - (left < right)
    return {
        CompareOp.EQ: sign == 0,
        CompareOp.NE: sign != 0,
        CompareOp.LT: sign < 0,
        CompareOp.LE: sign <= 0,
        CompareOp.GT: sign > 0,
        CompareOp.GE: sign >= 0,
    }[kind]


def _membership(left: Expr, container: Expr, scope: Scope, node: ast.AST) -> Expr:
    span, container = scope.span(node), as_map(container)
    table = dict_of(container)
    if table is not None:
        container = keys_of(table, node, scope)
    if isinstance(container.type, Static) and isinstance(container.type.value, (set, frozenset)):
        container = of_object(tuple(sorted(container.type.value, key=repr)), node, scope)
    if isinstance(container.type, Static) and isinstance(container.type.value, MapDecl):
        return contains(container.type.value, left, span, scope)
    if (
        isinstance(container.type, Array)
        and not isinstance(container.type, Octets)
        and container.type.length <= MAX_ITEMS
    ):
        kept, container = scope.temporary(container)
        inside = _membership(left, pack(items(container, span), span), scope, node)
        return inside if kept is container else after(kept, inside)
    if not isinstance(container, Pack):
        raise Fault(
            Mismatch(container.span, expected="a map or a tuple", got=shown(container.type))
        )
    if any(has_effects(item) for item in container.items):
        # Python makes the whole tuple before it looks for anything.
        early: list[Expr] = []
        left, container = once(left, early, scope), once(container, early, scope)
        done: list[typed.Stmt] = [typed.Evaluate(kept.span, kept) for kept in early]
        return following(done, _membership(left, container, scope, node))
    twice = is_number(left.type) or isinstance(left.type, (Chars, Octets))
    bound, again = scope.temporary(left) if twice else (left, left)
    found: Expr = literal(False, span) if container.items else after(left, literal(False, span))
    for item in container.items:
        same = comparison(ast.Eq(), bound, item, scope, node)
        bound = again
        found = either(found, same, span)
    return found


def _if_expression(node: ast.IfExp, scope: Scope) -> Expr:
    test, facts = condition(node.test, scope)
    before = scope.flow
    if isinstance(test, Literal):
        return scope.expr(node.body if test.value else node.orelse)
    answer = answer_of(test)
    arms = []
    for arm, known in ((node.body, facts.if_true), (node.orelse, facts.if_false)):
        scope.flow = before.knowing(known)
        check = partial(scope.expr, arm)
        is_other = answer is not None and answer is not (arm is node.body)
        arms.append(for_others(check, scope) if is_other else check())
    scope.flow = before
    then, other = arms
    if then is None or other is None:
        return then or other  # type: ignore[return-value]  # one is what this kernel runs
    pairs = tuples_to_choose(then, other)
    if pairs is not None:
        return choose_items(scope.keep(test), *pairs, scope.span(node))
    return choice(test, then, other, scope.span(node))


def _pack(node: ast.Tuple, scope: Scope) -> Expr:
    parts = [part for item in node.elts for part in starred_items(item, scope)]
    items = tuple(scope.expr(part) for part in parts)
    return Pack(Tuple(tuple(item.type for item in items)), scope.span(node), items)


def _walrus(node: ast.NamedExpr, scope: Scope) -> Expr:
    value = scope.expr(node.value)
    if is_constant(value):
        scope.stands_for(node.target.id, value)
        return value
    note_copy(node.target.id, value, scope)
    variable = scope.variable(node.target.id)
    stored = assign_to(variable, value)
    present = not isinstance(value.type, (Maybe, NoneType))
    pointer = of_pointer(value, scope)
    scope.flow = scope.flow.assign(node.target.id, present=present, **pointer)
    assert variable.type is not None
    bound = Bind(variable.type, scope.span(node), variable, stored)
    if present and isinstance(variable.type, Maybe):
        return typed.Unwrap(variable.type.inner, bound.span, bound)
    return bound


EXPRESSIONS: dict[type[ast.AST], Any] = {
    ast.Constant: constant,
    ast.Name: name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logic,
    ast.Compare: _compare,
    ast.IfExp: _if_expression,
    ast.Tuple: _pack,
    ast.List: of_list,
    ast.NamedExpr: _walrus,
    ast.Attribute: attribute,
    ast.Subscript: subscript,
    ast.Call: call,
}
