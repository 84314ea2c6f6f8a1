"""Statements: from syntax to typed tree, following what is assigned and what is known."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.annotations import array_element, data_type
from pyebpf.dsl.check.arrays import is_in_entry, is_private, of_annotation
from pyebpf.dsl.check.assign import (
    entry,
    is_constant,
    own_element,
    own_field,
    shared_of,
    store,
    store_name,
)
from pyebpf.dsl.check.bits import change_bits, field_value
from pyebpf.dsl.check.convert import assign_to, to_data, to_int, tuple_in_memory
from pyebpf.dsl.check.failing import assert_, raise_
from pyebpf.dsl.check.loops import break_, continue_, for_, while_
from pyebpf.dsl.check.maps import add_entry, delete_entry
from pyebpf.dsl.check.matching import match_
from pyebpf.dsl.check.narrow import condition
from pyebpf.dsl.check.number import BINARY, arithmetic
from pyebpf.dsl.check.operators import operate
from pyebpf.dsl.check.questions import answer_of, for_others
from pyebpf.dsl.check.reserve import with_
from pyebpf.dsl.check.results import program_result
from pyebpf.dsl.check.shared import (
    SIGNS,
    change,
    global_value,
    has_atomic_form,
    need_atomics,
)
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import (
    Assign,
    Effect,
    Evaluate,
    Expr,
    If,
    Inlined,
    Literal,
    Return,
    Stmt,
)
from pyebpf.dsl.typed_places import ElementOf, SetPlace
from pyebpf.dsl.types import NONE, Int, Maybe, NoneType, Pointer

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.ir.nodes import BinaryOp


def _expression(node: ast.Expr, scope: Scope) -> list[Stmt]:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return []  # a docstring
    value = scope.expr(node.value)
    if isinstance(value, Effect):
        return [value.stmt]
    return [Evaluate(scope.span(node), value)]


def _nothing(node: ast.Pass, scope: Scope) -> list[Stmt]:
    return []


def _assign(node: ast.Assign, scope: Scope) -> list[Stmt]:
    value = scope.expr(node.value)
    if len(node.targets) == 1:
        return store(node.targets[0], value, scope)
    bound, again = (value, value) if is_constant(value) else scope.temporary(value)
    out: list[Stmt] = []
    for target in node.targets:
        out += store(target, bound, scope)
        bound = again
    return out


def _annotated(node: ast.AnnAssign, scope: Scope) -> list[Stmt]:
    if not isinstance(node.target, ast.Name):
        raise scope.unsupported(node.annotation, "an annotation here", "annotate a variable")
    hint = _annotation(node.annotation, scope)
    element, wanted = array_element(hint), data_type(hint)
    if node.value is None:
        if isinstance(wanted, Int):
            scope.variable(node.target.id).fixed = wanted
        return []
    if element is not None:
        return store(node.target, of_annotation(node.value, element, scope), scope)
    value = scope.expr(node.value)
    if wanted is not None and not isinstance(value.type, Maybe):
        fitting = to_data(value, wanted)
        value = value if isinstance(value.type, Pointer) else fitting  # it keeps its members
        if isinstance(wanted, Int):
            scope.variable(node.target.id).fixed = wanted
    return store(node.target, value, scope)


def _annotation(node: ast.expr, scope: Scope) -> Any:
    try:
        # The text is the user's own annotation, in the user's own module.
        hint = eval(ast.unparse(node), dict(scope.names))  # noqa: S307
        return eval(hint, dict(scope.names)) if isinstance(hint, str) else hint  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever it is, it names no type
        raise scope.unsupported(node, "this annotation", "name a type, such as `u64`") from None


def _augmented(node: ast.AugAssign, scope: Scope) -> list[Stmt]:
    if isinstance(node.target, ast.Name):
        load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        value = operate(node, scope.expr(load), scope.expr(node.value), scope)
        return store_name(node.target.id, value, node.target, scope)
    op, span = BINARY.get(type(node.op)), scope.span(node)
    if op is None:
        raise scope.unsupported(node, "this operator here")
    if isinstance(node.target, ast.Subscript):
        part = own_element(node.target, scope)
        if part is not None:
            return changed(part, op, node.value, span, scope)
        decl, key = entry(node.target, scope)
        return [add_entry(decl, key, op, scope.expr(node.value), span, scope)]
    shared = shared_of(node.target, scope)
    if shared is None:
        return changed(own_field(node.target, scope), op, node.value, span, scope)
    place = global_value(shared, span, scope)
    return [change(place, op, scope.expr(node.value), span, scope)]


def changed(place: Expr, op: BinaryOp, node: ast.expr, span: Span, scope: Scope) -> list[Stmt]:
    """Check ``place op= value`` of a field or an element: atomic where others see it."""
    if not is_private(place) or (is_in_entry(place) and has_atomic_form(place, op, scope)):
        if isinstance(place, typed.RecordField) and place.field.bits:
            advice = "write `x = x | y`, which is not atomic"
            need_atomics(f"an atomic `{SIGNS[op]}`", span, scope, advice)
            return [change_bits(place, op, scope.expr(node), SIGNS[op], span)]
        if isinstance(place, typed.RecordField) and place.field.big:
            why = "has no atomic form in the order of the network"
            advice = "keep it as u32 and turn it when it is shown, or write `x = x + 1`"
            raise Fault(WrongCall(span, name=SIGNS[op], why=why, advice=advice))
        return [change(place, op, scope.expr(node), span, scope)]
    before: list[Stmt] = []
    if isinstance(place, ElementOf) and not isinstance(place.index, Literal):
        keep, again = scope.keep(place.index)
        before.append(Evaluate(span, keep))
        place = ElementOf(place.type, place.span, place.base, again, place.length)
    have = field_value(place) if isinstance(place, typed.RecordField) else place
    value = arithmetic(op, have, scope.expr(node), span)
    return [*before, SetPlace(span, place, to_data(value, place.type))]  # type: ignore[arg-type]


def _delete(node: ast.Delete, scope: Scope) -> list[Stmt]:
    out: list[Stmt] = []
    for target in node.targets:
        if not isinstance(target, ast.Subscript):
            raise scope.unsupported(target, "`del` of this", "delete map entries: del m[key]")
        decl, key = entry(target, scope)
        out.append(delete_entry(decl, key, scope.span(target), scope))
    return out


def _if(node: ast.If, scope: Scope) -> list[Stmt]:
    test, facts = condition(node.test, scope)
    if isinstance(test, Literal):
        # Decided now: the other branch may even name fields that this kernel lacks.
        scope.flow = scope.flow.knowing(facts.if_true if test.value else facts.if_false)
        return scope.block(node.body if test.value else node.orelse)
    answer, before = answer_of(test), scope.flow
    scope.flow = before.knowing(facts.if_true)
    then = _arm(node.body, scope, others=answer is False)
    after_then = scope.flow
    scope.flow = before.knowing(facts.if_false)
    other = _arm(node.orelse, scope, others=answer is True)
    if other is None:
        scope.flow = after_then
    elif then is not None:
        scope.flow = after_then.merge(scope.flow)
    if then is None or other is None:
        return then or other or []
    return [If(scope.span(node), test, then, other)]


def _arm(nodes: list[ast.stmt], scope: Scope, *, others: bool) -> list[Stmt] | None:
    """Check a branch; None if only other kernels run it, and it names what the target lacks."""
    return for_others(partial(scope.block, nodes), scope) if others else scope.block(nodes)


def _return(node: ast.Return, scope: Scope) -> list[Stmt]:
    span = scope.span(node)
    value = scope.expr(node.value) if node.value is not None else None
    scope.end_flow()
    if scope.result is None:
        return [Return(span, program_result(value, span, scope))]
    return _function_result(value, span, scope)


def _function_result(value: Expr | None, span: Span, scope: Scope) -> list[Stmt]:
    assert scope.result is not None
    given = value if value is not None else typed.Object(NONE, span)
    several = scope.result_items
    if several is not None and (several.shape is not None or isinstance(given, typed.Pack)):
        return several.returned(tuple_in_memory(given) or given, span, scope)
    if scope.result_width is not None and isinstance(given.type, Int):
        given = to_int(given, scope.result_width)
    if isinstance(given.type, NoneType) and scope.result.type in (None, NONE):
        scope.result.type = NONE
        kept: list[Stmt] = [Evaluate(span, given)] if isinstance(given, Inlined) else []
        return [*kept, Return(span, None)]
    return [Assign(span, scope.result, assign_to(scope.result, given)), Return(span, None)]


STATEMENTS: dict[type[ast.AST], Any] = {
    ast.Expr: _expression,
    ast.Pass: _nothing,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.If: _if,
    ast.For: for_,
    ast.While: while_,
    ast.Match: match_,
    ast.Assert: assert_,
    ast.Raise: raise_,
    ast.With: with_,
    ast.Break: break_,
    ast.Continue: continue_,
    ast.Return: _return,
}
