"""Targets of assignments: names, tuples, entries of maps, fields of records."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.arrays import element, is_shared, is_writable, items, root
from pyebpf.dsl.check.contexts.structs import StructContext, check_writable, is_kernels
from pyebpf.dsl.check.convert import assign_to, need_value, pack, to_data, tuple_in_memory
from pyebpf.dsl.check.map_use import as_map
from pyebpf.dsl.check.maps import set_entry
from pyebpf.dsl.check.member import record_field, record_of
from pyebpf.dsl.check.scope import ADVICE
from pyebpf.dsl.check.shared import global_of, set_global
from pyebpf.dsl.check.trust import of_pointer
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.typed import (
    Assign,
    Choice,
    Evaluate,
    Expr,
    Object,
    Pack,
    Read,
    RecordField,
    Stmt,
    Text,
    Unwrap,
)
from pyebpf.dsl.typed_places import AddressOf, ElementOf, SetPlace
from pyebpf.dsl.types import (
    COPIES,
    Address,
    Array,
    Bool,
    Chars,
    Int,
    Maybe,
    NoneType,
    Octets,
    Pointer,
    Record,
    Space,
    Static,
    has_items,
    shown,
)

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.shared import Global
    from pyebpf.dsl.types import ValueType
    from pyebpf.spec.types import DataType


def store(target: ast.expr, value: Expr, scope: Scope) -> list[Stmt]:
    """Check ``target = value``."""
    if isinstance(target, ast.Name):
        return store_name(target.id, value, target, scope)
    if isinstance(target, ast.Tuple):
        return _unpack(target, value, scope)
    if isinstance(target, ast.Subscript):
        part = own_element(target, scope)
        if part is not None:
            return [SetPlace(scope.span(target), part, to_data(value, _data(part.type)))]
        decl, key = entry(target, scope)
        return [set_entry(decl, key, value, scope.span(target), scope)]
    if isinstance(target, ast.Attribute):
        shared = shared_of(target, scope)
        if shared is not None:
            return [set_global(shared, value, scope.span(target), scope)]
        field = own_field(target, scope)
        stored = to_data(value, field.field.type)
        return [SetPlace(scope.span(target), field, stored)]
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
            Mismatch(value.span, expected=f"{count} values, as before", got=shown(value.type))
        )
    if isinstance(value, Read) and value.variable.reserved:
        advice = "use the name that `with` gave it"
        raise scope.unsupported(target, "a second name for a reserved record", advice)
    note_copy(name, value, scope)
    if _is_kept_copy(value, scope):
        advice = "the next turn overwrites it: use the first name, or keep its fields"
        raise scope.unsupported(target, "a second name for a copy", advice)
    if isinstance(value.type, Static):
        if not is_constant(value):  # which it is, is not known
            advice = "name it outside the probe"
            raise scope.unsupported(target, f"a variable for `{value.type}`", advice)
        scope.stands_for(name, value)
        return []
    value = named_again(value, target, scope)
    variable = scope.variable(name)
    stored = assign_to(variable, value)
    present = not isinstance(value.type, (Maybe, NoneType))
    scope.flow = scope.flow.assign(name, present=present, **of_pointer(value, scope))
    return [Assign(scope.span(target), variable, stored)]


def is_constant(value: Expr) -> bool:
    """Tell whether a value is one that a name can stand for, and that no variable holds."""
    return isinstance(value, (Object, Text)) and isinstance(value.type, Static)


def _is_kept_copy(value: Expr, scope: Scope) -> bool:
    """Tell whether a value is a copy in memory that its own first name may be given anew."""
    start = value.value if isinstance(value, Unwrap) else value
    if not isinstance(start, Read):
        return False
    name = start.variable.name
    return name in scope.copies and not scope.is_bound_once(name)


def note_copy(name: str, value: Expr, scope: Scope) -> None:
    """Remember that a name is given a copy that was made for it."""
    kind = value.type.inner if isinstance(value.type, Maybe) else value.type
    is_copy = isinstance(kind, Pointer) and kind.space in COPIES
    if is_copy and not isinstance(value, (Read, Unwrap)):
        scope.copies.add(name)


def named_again(value: Expr, target: ast.AST, scope: Scope) -> Expr:
    """Return what a second name for a record holds: its address, as Python's names do.

    Raises:
        Fault: the first name may be given another record, which the second would then show.
    """
    if isinstance(value, Choice) and isinstance(value.type, (Array, Record)):
        return _named_choice(value, target, scope)
    if isinstance(value.type, Octets) or not is_shared(value):
        return value
    if not isinstance(value.type, (Array, Record)):
        return value
    start = root(value)
    own = isinstance(start, Read) and scope.variables.get(start.variable.name) is start.variable
    stays = not own or scope.is_bound_once(start.variable.name)  # type: ignore[attr-defined]
    if isinstance(value.type, Array) or not stays:
        advice = "Python would not copy it: use the first name, or assign its parts"
        raise scope.unsupported(target, f"a second name for a `{value.type}`", advice)
    space = start.type.space if isinstance(start.type, Pointer) else Space.STACK
    return AddressOf(Pointer(space, value.type), value.span, value)


def _named_choice(value: Choice, target: ast.AST, scope: Scope) -> Expr:
    then = named_again(value.then, target, scope)
    other = named_again(value.other, target, scope)
    if then is value.then and other is value.other:
        return value
    if then.type != other.type:
        advice = "Python would not copy it: write `if … else`, and use each under its own name"
        raise scope.unsupported(target, f"a name for one of two `{value.type}`", advice)
    return Choice(then.type, value.span, value.condition, then, other)


def _store_tuple(name: str, value: Pack, target: ast.Name, scope: Scope) -> list[Stmt]:
    # A variable that holds a tuple is one variable for each item.
    scope.tuples[name] = len(value.items)
    out: list[Stmt] = []
    kept = [_keep(item, out, target, scope) for item in value.items]
    for number, item in enumerate(kept):
        out += store_name(f"{name}[{number}]", item, target, scope)
    scope.flow = scope.flow.assign(name, present=True)
    return out


def _unpack(target: ast.Tuple, value: Expr, scope: Scope) -> list[Stmt]:
    for part in target.elts:
        if isinstance(part, ast.Starred):
            raise scope.unsupported(part, *ADVICE["Starred"])
    if (
        isinstance(value.type, Array)
        and has_items(value.type)
        and value.type.length == len(target.elts)
    ):
        bound, again = (value, value) if isinstance(value, Read) else scope.keep(value)
        found = pack(items(again, value.span), value.span)
        before = [] if bound is value else [Evaluate(value.span, bound)]
        return [*before, *_unpack(target, found, scope)]
    value = tuple_in_memory(value) or value
    if not isinstance(value, Pack) or len(value.items) != len(target.elts):
        raise Fault(
            Mismatch(value.span, expected=f"{len(target.elts)} values", got=shown(value.type))
        )
    # All values are computed before the first is stored: `a, b = b, a`.
    out: list[Stmt] = []
    kept = [_keep(item, out, target, scope) for item in value.items]
    for part, item in zip(target.elts, kept, strict=True):
        out += store(part, item, scope)
    return out


def _keep(item: Expr, out: list[Stmt], target: ast.AST, scope: Scope) -> Expr:
    if isinstance(item, Pack):
        parts = tuple(_keep(part, out, target, scope) for part in item.items)
        return Pack(item.type, item.span, parts)
    if is_constant(item):
        return item
    bound, again = scope.keep(named_again(need_value(item), target, scope))
    out.append(Evaluate(item.span, bound))
    return again


def entry(target: ast.Subscript, scope: Scope) -> tuple[MapDecl, Expr]:
    """Return the map and the key of ``map[key]``."""
    base = as_map(need_value(scope.expr(target.value)))
    value = base.type.value if isinstance(base.type, Static) else None
    if not isinstance(value, MapDecl):
        raise Fault(Mismatch(base.span, expected="a map", got=shown(base.type)))
    return value, scope.expr(target.slice)


def shared_of(target: ast.Attribute, scope: Scope) -> Global[object] | None:
    """Return the global variable that ``name.value`` names; None if it is something else."""
    return global_of(scope.expr(target.value)) if target.attr == "value" else None


def own_field(target: ast.Attribute, scope: Scope) -> RecordField:
    """Return a field that can be assigned to."""
    base = need_value(scope.expr(target.value))
    context = getattr(base.type, "value", None)
    if isinstance(context, StructContext):
        return context.place(target.attr, scope.span(target), scope)
    found = record_of(base)
    if found is None or not is_writable(base):
        what = f"a field of `{shown(base.type)}`"
        advice = "what can change are map entries and local records"
        raise scope.unsupported(target, f"an assignment to {what}", advice)
    return record_field(base, found, target, scope)


def own_element(target: ast.Subscript, scope: Scope) -> ElementOf | None:
    """Return an element of an array that can be assigned to; None if it is no array."""
    base = need_value(scope.expr(target.value))
    if not isinstance(base.type, Array):
        return None
    if isinstance(base, RecordField) and is_kernels(base.base):
        check_writable(base.field.name, scope.span(target.value), scope)
    if not is_writable(base) or isinstance(base.type, Octets):
        advice = "what can change are map entries and local arrays"
        raise scope.unsupported(target, "an assignment to an element of this", advice)
    found = element(base, scope.expr(target.slice), scope.span(target))
    assert isinstance(found, ElementOf)
    return found


def _data(kind: ValueType) -> DataType:
    assert isinstance(kind, (Int, Bool, Chars, Array, Record, Address))
    return kind
