"""Statements: from syntax to typed tree, following what is assigned and what is known."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.convert import assign_to, literal, need_number, need_value, to_data
from pyebpf.dsl.check.maps import add_entry, delete_entry, set_entry
from pyebpf.dsl.check.member import record_field, record_of
from pyebpf.dsl.check.narrow import condition
from pyebpf.dsl.check.number import BINARY, arithmetic
from pyebpf.dsl.check.reserve import with_
from pyebpf.dsl.check.scope import ADVICE, stored_names
from pyebpf.dsl.check.shared import change, global_of, global_value, set_global
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.shared import Global
from pyebpf.dsl.typed import (
    Assign,
    Effect,
    Evaluate,
    Expr,
    If,
    Inlined,
    Literal,
    Pack,
    Return,
    Stmt,
)
from pyebpf.dsl.types import NONE, Int, Maybe, NoneType, Pointer, Space, Static

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

#: A loop that runs more often than this would fill the program or the verifier's patience.
MAX_TRIPS = 8_192


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
        return _store(node.targets[0], value, scope)
    bound, again = scope.temporary(value)
    out: list[Stmt] = []
    for target in node.targets:
        out += _store(target, bound, scope)
        bound = again
    return out


def _annotated(node: ast.AnnAssign, scope: Scope) -> list[Stmt]:
    if node.value is None:
        return []
    if not isinstance(node.target, ast.Name):
        return _store(node.target, scope.expr(node.value), scope)
    wanted = data_type(_annotation(node.annotation, scope))
    value = scope.expr(node.value)
    if wanted is not None and not isinstance(value.type, Maybe):
        fitting = to_data(value, wanted)
        value = value if isinstance(value.type, Pointer) else fitting  # it keeps its members
        if isinstance(wanted, Int):
            scope.variable(node.target.id).fixed = wanted
    return _store(node.target, value, scope)


def _annotation(node: ast.expr, scope: Scope) -> Any:
    try:
        # The text is the user's own annotation, in the user's own module.
        hint = eval(ast.unparse(node), dict(scope.names))  # noqa: S307
        return eval(hint, dict(scope.names)) if isinstance(hint, str) else hint  # noqa: S307
    except Exception:  # noqa: BLE001 - whatever it is, it names no type
        raise scope.unsupported(node, "this annotation", "name a type, such as `u64`") from None


def _store(target: ast.expr, value: Expr, scope: Scope) -> list[Stmt]:
    if isinstance(target, ast.Name):
        return _store_name(target.id, value, target, scope)
    if isinstance(target, ast.Tuple):
        return _unpack(target, value, scope)
    if isinstance(target, ast.Subscript):
        decl, key = _entry(target, scope)
        return [set_entry(decl, key, value, scope.span(target), scope)]
    if isinstance(target, ast.Attribute):
        shared = _global(target, scope)
        if shared is not None:
            return [set_global(shared, value, scope.span(target), scope)]
        field = _own_field(target, scope)
        stored = to_data(value, field.field.type)
        return [typed.SetField(scope.span(target), field.base, field.field, stored)]
    raise scope.unsupported(target, "this target of an assignment")


def _store_name(name: str, value: Expr, target: ast.Name, scope: Scope) -> list[Stmt]:
    count = scope.tuples.get(name)
    if (
        isinstance(value, Pack)
        and name not in scope.variables
        and count in (None, len(value.items))
    ):
        return _store_tuple(name, value, target, scope)
    if count is not None:
        raise Fault(
            Mismatch(value.span, expected=f"{count} values, as before", got=str(value.type))
        )
    if isinstance(value.type, Pointer) and value.type.space is Space.RING:
        advice = "use the name that `with` gave it"
        raise scope.unsupported(target, "a second name for a reserved record", advice)
    if isinstance(value.type, Static):
        advice = "name it outside the probe"
        raise scope.unsupported(target, f"a variable for `{value.type}`", advice)
    variable = scope.variable(name)
    stored = assign_to(variable, value)
    present = not isinstance(value.type, (Maybe, NoneType))
    scope.flow = scope.flow.assign(name, present=present)
    return [Assign(scope.span(target), variable, stored)]


def _store_tuple(name: str, value: Pack, target: ast.Name, scope: Scope) -> list[Stmt]:
    # A variable that holds a tuple is one variable for each item.
    scope.tuples[name] = len(value.items)
    out: list[Stmt] = []
    kept = [_keep(item, out, scope) for item in value.items]
    for number, item in enumerate(kept):
        out += _store_name(f"{name}[{number}]", item, target, scope)
    scope.flow = scope.flow.assign(name, present=True)
    return out


def _unpack(target: ast.Tuple, value: Expr, scope: Scope) -> list[Stmt]:
    for part in target.elts:
        if isinstance(part, ast.Starred):
            raise scope.unsupported(part, *ADVICE["Starred"])
    if not isinstance(value, Pack) or len(value.items) != len(target.elts):
        raise Fault(
            Mismatch(value.span, expected=f"{len(target.elts)} values", got=str(value.type))
        )
    # All values are computed before the first is stored: `a, b = b, a`.
    out: list[Stmt] = []
    kept = [_keep(item, out, scope) for item in value.items]
    for part, item in zip(target.elts, kept, strict=True):
        out += _store(part, item, scope)
    return out


def _keep(item: Expr, out: list[Stmt], scope: Scope) -> Expr:
    if isinstance(item, Pack):
        return Pack(item.type, item.span, tuple(_keep(part, out, scope) for part in item.items))
    bound, again = scope.keep(need_value(item))
    out.append(Evaluate(item.span, bound))
    return again


def _entry(target: ast.Subscript, scope: Scope) -> tuple[MapDecl, Expr]:
    base = scope.expr(target.value)
    value = base.type.value if isinstance(base.type, Static) else None
    if not isinstance(value, MapDecl):
        raise Fault(Mismatch(base.span, expected="a map", got=str(base.type)))
    return value, scope.expr(target.slice)


def _global(target: ast.Attribute, scope: Scope) -> Global[object] | None:
    return global_of(scope.expr(target.value)) if target.attr == "value" else None


def _own_field(target: ast.Attribute, scope: Scope) -> typed.RecordField:
    base = need_value(scope.expr(target.value))
    found = record_of(base)
    writable = isinstance(base.type, Pointer) and base.type.space in (Space.MAP, Space.RING)
    if found is None or not (writable or isinstance(base, typed.RecordField)):
        what = f"a field of `{base.type}`"
        raise scope.unsupported(target, f"an assignment to {what}", "only map entries can change")
    return record_field(base, found, target, scope)


def _augmented(node: ast.AugAssign, scope: Scope) -> list[Stmt]:
    op = BINARY.get(type(node.op))
    span = scope.span(node)
    if op is None:
        raise scope.unsupported(node, "this operator")
    if isinstance(node.target, ast.Name):
        load = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        value = arithmetic(op, scope.expr(load), scope.expr(node.value), span)
        return _store_name(node.target.id, value, node.target, scope)
    if isinstance(node.target, ast.Subscript):
        decl, key = _entry(node.target, scope)
        return [add_entry(decl, key, op, scope.expr(node.value), span, scope)]
    shared = _global(node.target, scope)
    place = _own_field(node.target, scope) if shared is None else global_value(shared, span, scope)
    return [change(place, op, scope.expr(node.value), span, scope)]


def _delete(node: ast.Delete, scope: Scope) -> list[Stmt]:
    out: list[Stmt] = []
    for target in node.targets:
        if not isinstance(target, ast.Subscript):
            raise scope.unsupported(target, "`del` of this", "delete map entries: del m[key]")
        decl, key = _entry(target, scope)
        out.append(delete_entry(decl, key, scope.span(target), scope))
    return out


def _if(node: ast.If, scope: Scope) -> list[Stmt]:
    test, facts = condition(node.test, scope)
    if isinstance(test, Literal):
        # Decided now: the other branch may even name fields that this kernel lacks.
        scope.flow = scope.flow.knowing(facts.if_true if test.value else facts.if_false)
        return scope.block(node.body if test.value else node.orelse)
    before = scope.flow
    scope.flow = before.knowing(facts.if_true)
    then = scope.block(node.body)
    after_then = scope.flow
    scope.flow = before.knowing(facts.if_false)
    other = scope.block(node.orelse)
    scope.flow = after_then.merge(scope.flow)
    return [If(scope.span(node), test, then, other)]


def _for(node: ast.For, scope: Scope) -> list[Stmt]:
    if not isinstance(node.target, ast.Name):
        raise scope.unsupported(node.target, "this loop variable", "use one name")
    values = _range(node.iter, scope)
    span = scope.span(node)
    # Nothing that the body assigns can be taken for tested at its start.
    before = scope.flow.forgetting(stored_names([node]))
    if not values:
        scope.flow = before
        return scope.block(node.orelse)
    variable = scope.variable(node.target.id)
    for end in (values[0], values[-1]):
        assign_to(variable, literal(end, scope.span(node.target)))
    scope.flow = before.assign(node.target.id, present=True)
    scope.loops += 1
    body = scope.block(node.body)
    scope.loops -= 1
    # There is at least one turn, so the loop variable has a value afterwards.
    after = before.assign(node.target.id, present=True)
    scope.flow = after
    other = scope.block(node.orelse)
    scope.flow = after.merge(scope.flow)
    return [typed.ForRange(span, variable, values, body, other)]


def _range(node: ast.expr, scope: Scope) -> range:
    if not isinstance(node, ast.Call):
        raise scope.unsupported(node, "a loop over this", "write `for … in range(…)`")
    callee = scope.expr(node.func).type
    if not (isinstance(callee, Static) and callee.value is range):
        raise scope.unsupported(node, "a loop over this", "write `for … in range(…)`")
    bounds = []
    for arg in node.args:
        value = scope.expr(arg)
        if not isinstance(value, Literal):
            advice = "give `range` constants, and `break` out of the loop"
            raise scope.unsupported(arg, "a bound that is not constant", advice)
        bounds.append(int(value.value))
    try:
        values = range(*bounds)
    except (TypeError, ValueError) as err:
        raise Fault(WrongCall(scope.span(node), name="range", why=f"is wrong: {err}")) from None
    if len(values) > MAX_TRIPS:
        raise scope.unsupported(node, f"a loop of {len(values)} turns", f"at most {MAX_TRIPS}")
    return values


def _break(node: ast.Break, scope: Scope) -> list[Stmt]:
    _end_flow(scope)
    return [typed.Break(scope.span(node))]


def _continue(node: ast.Continue, scope: Scope) -> list[Stmt]:
    _end_flow(scope)
    return [typed.Continue(scope.span(node))]


def _return(node: ast.Return, scope: Scope) -> list[Stmt]:
    span = scope.span(node)
    value = scope.expr(node.value) if node.value is not None else None
    _end_flow(scope)
    if scope.result is None:
        return [Return(span, _program_result(value))]
    return _function_result(value, span, scope)


def _end_flow(scope: Scope) -> None:
    scope.flow = type(scope.flow)(scope.flow.assigned, scope.flow.present, live=False)


def _program_result(value: Expr | None) -> Expr | None:
    if value is None or isinstance(value.type, NoneType):
        return None
    return to_data(need_number(value), Int(32, signed=True))


def _function_result(value: Expr | None, span: Span, scope: Scope) -> list[Stmt]:
    assert scope.result is not None
    given = value if value is not None else typed.Object(NONE, span)
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
    ast.For: _for,
    ast.With: with_,
    ast.Break: _break,
    ast.Continue: _continue,
    ast.Return: _return,
}
