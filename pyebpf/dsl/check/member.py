"""Attributes and subscripts: fields of kernel objects, contexts, records; elements; modules."""

from __future__ import annotations

import ast
from enum import Enum, EnumMeta
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.aggregates import Aggregate
from pyebpf.dsl.check.aggregates import of_key
from pyebpf.dsl.check.arrays import element, place_of
from pyebpf.dsl.check.bits import field_value
from pyebpf.dsl.check.contexts import Context
from pyebpf.dsl.check.convert import need_value, tuple_in_memory
from pyebpf.dsl.check.dicts import entry_of
from pyebpf.dsl.check.effects import following, has_effects, once
from pyebpf.dsl.check.map_use import as_map
from pyebpf.dsl.check.maps import read_entry
from pyebpf.dsl.check.memory import array_start, enumerator
from pyebpf.dsl.check.name import of_object
from pyebpf.dsl.check.octets import is_octets, octets_part
from pyebpf.dsl.check.pointers import as_pointer, far_field, far_record, pointer_element
from pyebpf.dsl.check.scope import closest
from pyebpf.dsl.check.shared import global_value
from pyebpf.dsl.check.slices import text_part
from pyebpf.dsl.check.text import is_text
from pyebpf.dsl.check.trust import readable
from pyebpf.dsl.check.variables import variable_value
from pyebpf.dsl.faults import Fault, Mismatch, UnknownField
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.shared import Global
from pyebpf.dsl.symbols import KernelVariable
from pyebpf.dsl.typed import (
    Evaluate,
    Expr,
    KernelPlace,
    KernelRead,
    Literal,
    Pack,
    RecordField,
)
from pyebpf.dsl.types import Array, KernelRef, Place, Pointer, Record, Space, Static, shown
from pyebpf.ir.nodes import FieldPath, IndexStep, MemberStep, Step
from pyebpf.kernel import KernelType

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope


def attribute(node: ast.Attribute, scope: Scope) -> Expr:
    member = _enum_member(node.value, scope) if node.attr in ("name", "value") else None
    if member is not None:
        return of_object(getattr(member, node.attr), node, scope)
    base = as_pointer(need_value(scope.expr(node.value)), scope)
    kind = base.type
    if isinstance(kind, Static):
        return _static(kind.value, node, scope)
    if isinstance(kind, Pointer) and isinstance(kind.to, KernelRef):
        base = readable(base, scope)
        return _kernel_member(base, FieldPath(kind.to, ()), kind.to, node, scope)
    if isinstance(base, KernelPlace) and isinstance(kind, Place):
        return _kernel_member(base.base, base.path, kind.to, node, scope)
    found = record_of(base)
    if found is not None:
        field = record_field(base, found, node, scope)
        far = far_record(kind) is not None
        return far_field(base, field.field, field.span, scope) if far else field_value(field)
    raise Fault(UnknownField(scope.name_span(node), type=shown(kind), name=node.attr))


def _enum_member(node: ast.expr, scope: Scope) -> Enum | None:
    """Return the member of an enum of Python's that is written as ``Mode.READ``."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, (ast.Name, ast.Attribute)):
        return None
    kind = scope.expr(node.value).type
    owner = kind.value if isinstance(kind, Static) else None
    return owner.__members__.get(node.attr) if isinstance(owner, EnumMeta) else None


def _static(value: Any, node: ast.Attribute, scope: Scope) -> Expr:
    if isinstance(value, Global) and node.attr == "value":
        return global_value(value, scope.span(node), scope)
    if isinstance(value, Context):
        return value.attribute(node.attr, scope.name_span(node), scope)
    if isinstance(value, KernelVariable):
        return variable_value(value, node, scope)
    if isinstance(value, KernelType):
        return enumerator(value, node, scope)
    if isinstance(value, (ModuleType, type, dict)) and hasattr(value, node.attr):
        return of_object(getattr(value, node.attr), node, scope)
    if isinstance(value, str) and hasattr(value, node.attr):
        advice = "a probe has `startswith` and `endswith`; others outside of it, under a name"
        raise scope.unsupported(node, f"`{node.attr}` of a text", advice)
    raise Fault(
        UnknownField(
            scope.name_span(node),
            type=str(Static(value)),
            name=node.attr,
            close=closest(node.attr, dir(value)),
            what="attribute",
        )
    )


def record_of(base: Expr) -> Record | None:
    """Return the record that an expression is, or points to in our own memory."""
    kind = base.type
    if isinstance(kind, Record):
        return kind
    if isinstance(kind, Pointer) and isinstance(kind.to, Record):
        return kind.to
    return None


def record_field(base: Expr, kind: Record, node: ast.Attribute, scope: Scope) -> RecordField:
    """Return a member of a record.

    Raises:
        Fault: it has none of that name.
    """
    found = record_field_named(base, kind, node.attr, scope.name_span(node))
    return RecordField(found.type, scope.span(node), base, found.field)


def record_field_named(base: Expr, kind: Record, name: str, span: Span) -> RecordField:
    """Return the member of a record that has a name.

    Raises:
        Fault: it has none of that name.
    """
    field = kind.field(name)
    if field is None:
        close = closest(name, [f.name for f in kind.fields])
        raise Fault(UnknownField(span, type=shown(kind), name=name, close=close))
    return RecordField(field.type, span, base, field)


def _kernel_member(
    base: Expr, path: FieldPath, owner: KernelRef, node: ast.Attribute, scope: Scope
) -> Expr:
    kernel = scope.unit.kernel
    step = kernel.member(owner, node.attr)
    if step is None:
        raise Fault(
            UnknownField(
                scope.name_span(node),
                type=owner.name,
                name=node.attr,
                close=closest(node.attr, kernel.member_names(owner)),
                of_kernel=True,
            )
        )
    return _kernel_step(base, path, step, node, scope)


def _kernel_step(base: Expr, path: FieldPath, step: Step, node: ast.expr, scope: Scope) -> Expr:
    assert isinstance(base.type, Pointer)
    longer = FieldPath(path.root, (*path.steps, step))
    kind = scope.unit.kernel.value(step.type.id, base.type.space)
    span = scope.span(node)
    if kind is None:
        advice = "only numbers, pointers, text and members of structs can be read"
        raise scope.unsupported(node, f"a value of type `{step.type.name}`", advice)
    if isinstance(kind, Place):
        return KernelPlace(kind, span, base, longer)
    bits = step.bits if isinstance(step, MemberStep) else 0
    read = KernelRead(kind, span, base, longer, bits)
    scope.unit.note_read(f"{longer}{_way(read, base.type.space)}")
    return read


def _way(read: KernelRead, space: Space) -> str:
    """Say how a field is read, if it is not loaded directly."""
    if read.after_test is not None:
        return ", if the pointer is not NULL"
    if space in (Space.KERNEL, Space.USER):
        return f", by probe_read_{space.name.lower()}"
    return ""


def subscript(  # noqa: PLR0911 - one return for each kind of thing with parts
    node: ast.Subscript, scope: Scope
) -> Expr:
    base = as_map(as_pointer(need_value(scope.expr(node.value)), scope))
    if is_text(base):
        return text_part(base, node, scope)
    if is_octets(base):
        return octets_part(base, node, scope)
    index = scope.expr(node.slice)
    span = scope.span(node)
    base = tuple_in_memory(base) or base
    kind = base.type
    if isinstance(kind, Static):
        return _static_subscript(base, index, node, scope)
    if isinstance(base, Pack):
        return _item(base, _constant(index, len(base.items), scope, node), scope)
    if isinstance(kind, Array):
        return element(base, index, span)
    if isinstance(base, KernelPlace) and isinstance(kind, Place):
        found = scope.unit.kernel.element(kind.to)
        if found is not None:
            return _kernel_element(base, found, index, node, scope)
    found_element = pointer_element(base, index, span, scope) if isinstance(kind, Pointer) else None
    if found_element is not None:
        return found_element
    raise Fault(Mismatch(span, expected="something with elements", got=shown(kind)))


def _kernel_element(
    base: KernelPlace, found: tuple[KernelRef, int], index: Expr, node: ast.Subscript, scope: Scope
) -> Expr:
    """Check an element of an array in a kernel object: a step, or a read at a computed address."""
    kind_there, length = found
    if isinstance(index, Literal):
        place = _constant(index, length or 1 << 31, scope, node)
        return _kernel_step(base.base, base.path, IndexStep(place, kind_there), node, scope)
    if not length:
        advice = "nothing says how many elements there are: `cast(Ptr[…], addressof(…))[i]`"
        raise scope.unsupported(node.slice, "a variable index into this array", advice)
    scope.unit.note_read(f"{base.path}[…]")
    start = array_start(base, kind_there, scope.span(node), scope)
    element = pointer_element(start, place_of(index, length), scope.span(node), scope)
    if element is None:
        advice = "its elements are no numbers, pointers or structs"
        raise scope.unsupported(node.slice, "a variable index into this array", advice)
    return element


def _item(base: Pack, place: int, scope: Scope) -> Expr:
    """Return one item of a tuple. Python evaluates all of them, so what the others do is done."""
    if not any(has_effects(item) for item in (*base.items[:place], *base.items[place + 1 :])):
        return base.items[place]
    early: list[Expr] = []
    kept = [once(item, early, scope) for item in base.items]
    return following([Evaluate(item.span, item) for item in early], kept[place])


def _static_subscript(base: Expr, index: Expr, node: ast.Subscript, scope: Scope) -> Expr:
    assert isinstance(base.type, Static)
    value = base.type.value
    span = scope.span(node)
    if isinstance(value, Aggregate):
        return of_key(value, index, span, scope)
    if isinstance(value, dict):
        return entry_of(value, index, node, scope)
    if isinstance(value, MapDecl):
        return read_entry(value, index, span, scope)
    if isinstance(value, Context):
        place = _constant(index, value.length(), scope, node)
        return value.element(place, span, scope)
    raise Fault(Mismatch(span, expected="something with elements", got=shown(base.type)))


def _constant(index: Expr, length: int, scope: Scope, node: ast.Subscript) -> int:
    if not isinstance(index, Literal):
        raise scope.unsupported(
            node.slice, "an index that is not constant here", "write one branch for each index"
        )
    place = int(index.value)
    if not -length <= place < length:
        raise Fault(Mismatch(index.span, expected=f"an index below {length}", got=str(place)))
    return place % length
