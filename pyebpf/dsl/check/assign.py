"""Targets of assignments: names, tuples, entries of maps, fields of records."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl import typed
from pyebpf.dsl.check.convert import assign_to, need_value, to_data
from pyebpf.dsl.check.maps import set_entry
from pyebpf.dsl.check.member import record_field, record_of
from pyebpf.dsl.check.scope import ADVICE
from pyebpf.dsl.check.shared import global_of, set_global
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.typed import Assign, Evaluate, Expr, Pack, Stmt
from pyebpf.dsl.types import Maybe, NoneType, Pointer, Space, Static

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.shared import Global


def store(target: ast.expr, value: Expr, scope: Scope) -> list[Stmt]:
    """Check ``target = value``."""
    if isinstance(target, ast.Name):
        return store_name(target.id, value, target, scope)
    if isinstance(target, ast.Tuple):
        return _unpack(target, value, scope)
    if isinstance(target, ast.Subscript):
        decl, key = entry(target, scope)
        return [set_entry(decl, key, value, scope.span(target), scope)]
    if isinstance(target, ast.Attribute):
        shared = shared_of(target, scope)
        if shared is not None:
            return [set_global(shared, value, scope.span(target), scope)]
        field = own_field(target, scope)
        stored = to_data(value, field.field.type)
        return [typed.SetField(scope.span(target), field.base, field.field, stored)]
    raise scope.unsupported(target, "this target of an assignment")


def store_name(name: str, value: Expr, target: ast.Name, scope: Scope) -> list[Stmt]:
    """Check ``name = value``."""
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
        out += store_name(f"{name}[{number}]", item, target, scope)
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
        out += store(part, item, scope)
    return out


def _keep(item: Expr, out: list[Stmt], scope: Scope) -> Expr:
    if isinstance(item, Pack):
        return Pack(item.type, item.span, tuple(_keep(part, out, scope) for part in item.items))
    bound, again = scope.keep(need_value(item))
    out.append(Evaluate(item.span, bound))
    return again


def entry(target: ast.Subscript, scope: Scope) -> tuple[MapDecl, Expr]:
    """Return the map and the key of ``map[key]``."""
    base = scope.expr(target.value)
    value = base.type.value if isinstance(base.type, Static) else None
    if not isinstance(value, MapDecl):
        raise Fault(Mismatch(base.span, expected="a map", got=str(base.type)))
    return value, scope.expr(target.slice)


def shared_of(target: ast.Attribute, scope: Scope) -> Global[object] | None:
    """Return the global variable that ``name.value`` names; None if it is something else."""
    return global_of(scope.expr(target.value)) if target.attr == "value" else None


def own_field(target: ast.Attribute, scope: Scope) -> typed.RecordField:
    """Return a field that can be assigned to."""
    base = need_value(scope.expr(target.value))
    found = record_of(base)
    writable = isinstance(base.type, Pointer) and base.type.space in (Space.MAP, Space.RING)
    if found is None or not (writable or isinstance(base, typed.RecordField)):
        what = f"a field of `{base.type}`"
        raise scope.unsupported(target, f"an assignment to {what}", "only map entries can change")
    return record_field(base, found, target, scope)
