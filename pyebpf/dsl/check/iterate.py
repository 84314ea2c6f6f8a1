"""What a `for` runs over: how many turns there are, and what the item of a turn is."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from pyebpf.dsl.check.arith import holding
from pyebpf.dsl.check.arrays import element, is_shared
from pyebpf.dsl.check.convert import choice, literal, need_number, pack, tuple_in_memory
from pyebpf.dsl.check.dicts import dict_of, keys_of
from pyebpf.dsl.check.effects import once
from pyebpf.dsl.check.number import arithmetic, compare_numbers
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Arith, Cast, Expr, Literal, Pack
from pyebpf.dsl.types import U64, Int, Static, has_items
from pyebpf.ir.nodes import BinaryOp, CompareOp
from pyebpf.plain import Plain

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: From the number of a turn to the item of that turn.
At: TypeAlias = Callable[[Expr], Expr]

_NO_RANGE = (U64.low, U64.high)


class Items(Plain):
    """The items of something that can be looped over.

    ``count`` is how many there are, a constant or a number kept before the loop; ``before`` is what
    must be evaluated then. ``fixed`` has the items themselves where each is an expression of its
    own: such a loop is written out.
    """

    count: Expr
    at: At
    before: tuple[Expr, ...] = ()
    fixed: tuple[Expr, ...] | None = None

    @property
    def trips(self) -> int | None:
        """How many there are, if that is known now."""
        return int(self.count.value) if isinstance(self.count, Literal) else None


def items_of(node: ast.expr, scope: Scope) -> Items:
    """Return the items of what a loop runs over.

    Raises:
        Fault: a probe cannot loop over this.
    """
    if isinstance(node, ast.Call):
        callee = scope.expr(node.func).type
        rule = MAKERS.get(callee.value) if _is_maker(callee) else None  # type: ignore[union-attr]
        if rule is not None:
            return rule(node, scope)
    return items_of_value(scope.expr(node), node, scope)


def _is_maker(kind: object) -> bool:
    return isinstance(kind, Static) and isinstance(kind.value, type) and kind.value in MAKERS


def items_of_value(value: Expr, node: ast.expr, scope: Scope) -> Items:
    """Return the items of a value.

    Raises:
        Fault: it has none.
    """
    span = scope.span(node)
    before: list[Expr] = []
    table = dict_of(value)
    value = tuple_in_memory(value) or (value if table is None else keys_of(table, node, scope))
    if isinstance(value, Pack):
        # Python makes the whole tuple before the first turn.
        items = tuple(once(item, before, scope) for item in value.items)
        return Items(literal(len(items), span), partial(_pick, items), tuple(before), items)
    if has_items(value.type):
        if not is_shared(value):
            keep, value = scope.keep(value)
            before.append(keep)
        length = literal(value.type.length, span)  # type: ignore[union-attr]
        return Items(length, partial(_element, value, span), tuple(before))
    advice = "loop over a range, a tuple, an array, or the items of a map"
    raise scope.unsupported(node, f"a loop over `{value.type}`", advice)


def _element(base: Expr, span: Span, turn: Expr) -> Expr:
    return element(base, turn, span)


def _pick(items: tuple[Expr, ...], turn: Expr) -> Expr:
    assert isinstance(turn, Literal), "a tuple's items are picked while compiling"
    return items[int(turn.value)]


# -- range


def _range(node: ast.Call, scope: Scope) -> Items:
    start, stop, step = bounds_of(node, scope)
    return _between(start, stop, step, scope.span(node), scope)


def bounds_of(node: ast.Call, scope: Scope) -> tuple[Expr, Expr, int]:
    """Return where a ``range(…)`` begins, where it ends, and its step.

    Raises:
        Fault: these are no numbers, or the step is 0 or not constant.
    """
    bounds = [need_number(scope.expr(arg)) for arg in node.args]
    if node.keywords or not 1 <= len(bounds) <= 3:
        why = "takes 1 to 3 numbers by position"
        raise Fault(WrongCall(scope.span(node), name="range", why=why))
    zero = literal(0, scope.span(node))
    start, stop = (zero, bounds[0]) if len(bounds) == 1 else bounds[:2]
    step = bounds[2] if len(bounds) == 3 else literal(1, scope.span(node))
    if not isinstance(step, Literal):
        advice = "give `range` a constant step"
        raise scope.unsupported(node.args[2], "a step that is not constant", advice)
    if not step.value:
        raise Fault(WrongCall(scope.span(node), name="range", why="has a step of 0"))
    return start, stop, int(step.value)


def _between(start: Expr, stop: Expr, step: int, span: Span, scope: Scope) -> Items:
    if isinstance(start, Literal) and isinstance(stop, Literal):
        values = range(int(start.value), int(stop.value), step)
        known = (min(values[0], values[-1]), max(values[0], values[-1])) if values else (0, 0)
        return Items(literal(len(values), span), partial(_value, start, step, known, span))
    kept_start, start = (start, start) if isinstance(start, Literal) else scope.keep(start)
    kept_stop, stop = (stop, stop) if isinstance(stop, Literal) else scope.keep(stop)
    keep_count, count = scope.keep(_turns(start, stop, step, span))
    before = [e for e in (kept_start, kept_stop, keep_count) if not isinstance(e, Literal)]
    low, high = start.range, stop.range
    assert low is not None
    assert high is not None
    known = (low[0], max(high[1] - 1, low[1])) if step > 0 else (min(high[0] + 1, low[0]), low[1])
    return Items(count, partial(_value, start, step, known, span), tuple(before))


def _turns(start: Expr, stop: Expr, step: int, span: Span) -> Expr:
    first, last = (start, stop) if step > 0 else (stop, start)
    ahead = compare_numbers(CompareOp.LT, first, last, span)
    one = Literal(U64, span, 1)
    # Right modulo 2**64, and the true distance is less: only used where there is one.
    turns = _word(BinaryOp.SUB, _as_word(last), _as_word(first), span)
    if abs(step) != 1:
        behind = _word(BinaryOp.SUB, turns, one, span)
        steps = _word(BinaryOp.FLOORDIV, behind, Literal(U64, span, abs(step)), span)
        turns = _word(BinaryOp.ADD, steps, one, span)
    return choice(ahead, turns, Literal(U64, span, 0), span)


def _word(op: BinaryOp, left: Expr, right: Expr, span: Span) -> Expr:
    return Arith(U64, span, op, left, right, _NO_RANGE)


def _as_word(value: Expr) -> Expr:
    if isinstance(value, Literal):
        return Literal(U64, value.span, U64.wrap(int(value.value)))
    return value if value.type == U64 else Cast(U64, value.span, value)


def _value(start: Expr, step: int, known: tuple[int, int], span: Span, turn: Expr) -> Expr:
    if isinstance(start, Literal) and isinstance(turn, Literal):
        return literal(int(start.value) + step * int(turn.value), span)
    kind = holding(known, prefer_unsigned=known[0] >= 0) or U64
    far = _at(turn, kind)
    if step != 1:
        factor = Literal(kind, span, kind.wrap(step))
        far = Arith(kind, span, BinaryOp.MUL, far, factor, (kind.low, kind.high))
    begin = _at(start, kind)
    return Arith(kind, span, BinaryOp.ADD, far, begin, known)


def _at(value: Expr, kind: Int) -> Expr:
    if isinstance(value, Literal):
        return Literal(kind, value.span, kind.wrap(int(value.value)))
    return value if value.type == kind else Cast(kind, value.span, value)


# -- enumerate, zip, reversed


def _enumerate(node: ast.Call, scope: Scope) -> Items:
    start = next((k.value for k in node.keywords if k.arg == "start"), None)
    if len(node.args) == 2:
        start = node.args[1]
    if not 1 <= len(node.args) <= 2 or len(node.keywords) + len(node.args) > 2:
        why = "takes something to loop over, and a start"
        raise Fault(WrongCall(scope.span(node), name="enumerate", why=why))
    first = need_number(scope.expr(start)) if start else literal(0, scope.span(node))
    keep, first = scope.temporary(first)
    inner = items_of(node.args[0], scope)
    span = scope.span(node)
    before = inner.before if isinstance(first, Literal) else (*inner.before, keep)

    def at(turn: Expr) -> Expr:
        return pack((arithmetic(BinaryOp.ADD, turn, first, span), inner.at(turn)), span)

    return _combined(inner.count, at, before, [inner], span)


def _zip(node: ast.Call, scope: Scope) -> Items:
    span = scope.span(node)
    parts = [items_of(arg, scope) for arg in node.args]
    if not parts or node.keywords:
        why = "takes at least one thing to loop over, by position"
        raise Fault(WrongCall(span, name="zip", why=why))
    count = parts[0].count
    for part in parts[1:]:
        shorter = compare_numbers(CompareOp.LT, part.count, count, span)
        if isinstance(shorter, Literal):
            count = part.count if shorter.value else count
        else:
            count = choice(shorter, part.count, count, span)
    before = tuple(expr for part in parts for expr in part.before)
    if not isinstance(count, Literal):
        keep, count = scope.keep(count)
        before = (*before, keep)

    def at(turn: Expr) -> Expr:
        return pack([part.at(turn) for part in parts], span)

    return _combined(count, at, before, parts, span)


def _reversed(node: ast.Call, scope: Scope) -> Items:
    span = scope.span(node)
    if len(node.args) != 1 or node.keywords:
        raise Fault(WrongCall(span, name="reversed", why="takes one thing to loop over"))
    inner = items_of(node.args[0], scope)
    last = arithmetic(BinaryOp.SUB, inner.count, literal(1, span), span)

    def at(turn: Expr) -> Expr:
        # There is no turn unless there is an item, so the difference is never negative.
        number = arithmetic(BinaryOp.SUB, last, turn, span)
        return inner.at(number if isinstance(number, Literal) else _as_word(number))

    return _combined(inner.count, at, inner.before, [inner], span)


def _combined(
    count: Expr, at: At, before: tuple[Expr, ...], parts: list[Items], span: Span
) -> Items:
    if all(part.fixed is None for part in parts):
        return Items(count, at, before)
    if not isinstance(count, Literal):
        raise Fault(
            Mismatch(span, expected="a number of turns that is known", got="a tuple and a range")
        )
    fixed = tuple(at(literal(number, span)) for number in range(int(count.value)))
    return Items(count, at, before, fixed)


#: Python's functions that make something to loop over.
MAKERS: dict[type, Callable[[ast.Call, Scope], Items]] = {
    range: _range,
    enumerate: _enumerate,
    zip: _zip,
    reversed: _reversed,
}
