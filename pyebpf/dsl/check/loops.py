"""Loops: `for` over items, `while`, and what is known before, in and after them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.assign import is_constant, store
from pyebpf.dsl.check.entries import entries_of, for_entries
from pyebpf.dsl.check.iterate import Items, items_of
from pyebpf.dsl.check.narrow import condition
from pyebpf.dsl.check.scope import Flow, LoopFlow, stored_names
from pyebpf.dsl.typed import Evaluate, Expr, Literal, Pack, Read, Stmt, Variable
from pyebpf.dsl.typed_octets import OctetsData
from pyebpf.dsl.types import U64
from pyebpf.ir.nodes import MAX_TURNS

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

#: Bodies of loops over tuples are written out for each item.
MAX_WRITTEN_OUT = 64


def for_(node: ast.For, scope: Scope) -> list[Stmt]:
    """Check `for … in …:`."""
    entries = entries_of(node.iter, scope)
    if entries is not None:
        return for_entries(node, entries, scope)
    items = items_of(node.iter, scope)
    if items.fixed is not None:
        return [*_before(items), *_written_out(node, items.fixed, scope)]
    trips = items.trips
    if trips is not None and trips > MAX_TURNS:
        raise scope.unsupported(node.iter, f"a loop of {trips} turns", f"at most {MAX_TURNS}")
    return [*_before(items), *_counted(node, items, trips, scope)]


def _before(items: Items) -> list[Stmt]:
    return [Evaluate(expr.span, expr) for expr in items.before]


def _counted(node: ast.For, items: Items, trips: int | None, scope: Scope) -> list[Stmt]:
    # Nothing that the body assigns can be taken for tested at its start.
    before = scope.flow.forgetting(stored_names([node]))
    if trips == 0:
        scope.flow = before
        return scope.block(node.orelse)
    turn = Variable("turn", U64, (0, (trips or MAX_TURNS) - 1))
    span = scope.span(node.target)
    scope.flow = before
    begin = store(node.target, items.at(Read(U64, span, turn)), scope)
    flow = LoopFlow()
    body = in_loop(node.body, flow, scope)
    ended = merged([scope.flow, *flow.continues])
    # Where there is at least one turn, what every turn assigns has a value afterwards.
    scope.flow = before.merge(ended) if trips is None else ended.forgetting(stored_names([node]))
    other = scope.block(node.orelse)
    scope.flow = merged([scope.flow, *flow.breaks])
    return [typed.For(scope.span(node), turn, items.count, trips, begin, body, other)]


def in_loop(nodes: list[ast.stmt], flow: LoopFlow, scope: Scope) -> list[Stmt]:
    """Check the body of a loop."""
    scope.loops.append(flow)
    try:
        return scope.block(nodes)
    finally:
        scope.loops.pop()


def merged(flows: list[Flow]) -> Flow:
    """Return what holds where several ways meet."""
    out = flows[0]
    for flow in flows[1:]:
        out = out.merge(flow)
    return out


def _written_out(node: ast.For, items: tuple[Expr, ...], scope: Scope) -> list[Stmt]:
    if len(items) > MAX_WRITTEN_OUT:
        advice = f"at most {MAX_WRITTEN_OUT}; keep the values in an `Array`"
        raise scope.unsupported(node.iter, f"a loop over {len(items)} written values", advice)
    turns: list[list[Stmt]] = []
    breaks: list[Flow] = []
    path = scope.path
    differ = len({item.type for item in items}) > 1
    for number, item in enumerate(items):
        flow = LoopFlow()
        scope.path = f"{path}/{node.lineno}:{node.col_offset}[{number}]"
        turns.append([*_bind(node.target, item, scope, differ), *in_loop(node.body, flow, scope)])
        scope.flow = merged([scope.flow, *flow.continues])
        breaks += flow.breaks
    scope.path = path
    other = scope.block(node.orelse)
    scope.flow = merged([scope.flow, *breaks])
    return [typed.WrittenOut(scope.span(node), turns, other)]


def _bind(target: ast.expr, item: Expr, scope: Scope, differ: bool) -> list[Stmt]:
    # A map or a function has no place in a variable, nor have bytes of several lengths, but the
    # name can stand for it in this turn.
    if isinstance(target, ast.Name) and _is_constant(item, differ):
        scope.stands_for(target.id, item)
        return []
    if (
        isinstance(target, ast.Tuple)
        and isinstance(item, Pack)
        and len(target.elts) == len(item.items)
        and _has_constant(item, differ)
    ):
        pairs = zip(target.elts, item.items, strict=True)
        return [stmt for part, value in pairs for stmt in _bind(part, value, scope, differ)]
    return store(target, item, scope)


def _has_constant(item: Expr, differ: bool) -> bool:
    if isinstance(item, Pack):
        return any(_has_constant(part, differ) for part in item.items)
    return _is_constant(item, differ)


def _is_constant(item: Expr, differ: bool) -> bool:
    return is_constant(item) or (differ and isinstance(item, OctetsData))


def while_(node: ast.While, scope: Scope) -> list[Stmt]:
    """Check `while …:`."""
    before = scope.flow.forgetting(stored_names([node]))
    scope.flow = before
    test, facts = condition(node.test, scope)
    tested = scope.flow
    if isinstance(test, Literal) and not test.value:
        return scope.block(node.orelse)
    scope.flow = tested.knowing(facts.if_true)
    flow = LoopFlow()
    body = in_loop(node.body, flow, scope)
    scope.flow = tested.knowing(facts.if_false)
    if isinstance(test, Literal):  # `while True:` is left by `break` only
        scope.end_flow()
    other = scope.block(node.orelse)
    scope.flow = merged([scope.flow, *flow.breaks])
    return [typed.While(scope.span(node), test, body, other)]


def break_(node: ast.Break, scope: Scope) -> list[Stmt]:
    """Check `break`."""
    scope.loops[-1].breaks.append(scope.flow)
    scope.end_flow()
    return [typed.Break(scope.span(node))]


def continue_(node: ast.Continue, scope: Scope) -> list[Stmt]:
    """Check `continue`."""
    scope.loops[-1].continues.append(scope.flow)
    scope.end_flow()
    return [typed.Continue(scope.span(node))]
