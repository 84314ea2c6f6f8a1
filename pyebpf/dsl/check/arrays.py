"""Arrays of a fixed length: made from lists, read and written by index."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import join, literal, need_number, need_value, to_data, to_int
from pyebpf.dsl.check.effects import following, once
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.records import array
from pyebpf.dsl.typed import Evaluate, Expr, Literal, Read, RecordField, Unwrap
from pyebpf.dsl.typed_places import ElementOf, InRange, MakeArray
from pyebpf.dsl.typed_shared import GlobalValue
from pyebpf.dsl.types import (
    I64,
    PRIVATE,
    U64,
    Array,
    Bool,
    Chars,
    Int,
    Pointer,
    Record,
    Space,
    Static,
    in_memory,
    shown,
)
from pyebpf.spec.types import Address

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.spec.types import DataType

#: A list longer than this would fill the program; `array(n)` makes one of zeros of any length.
MAX_ITEMS = 128


def of_list(node: ast.List, scope: Scope) -> Expr:
    """Check ``[a, b, c]``."""
    items = tuple(scope.expr(part) for part in node.elts)
    if not items:
        raise scope.unsupported(node, "an empty list", "an array keeps its length: `[0] * 8`")
    if len(items) > MAX_ITEMS:
        raise scope.unsupported(node, f"a list of {len(items)} items", f"at most {MAX_ITEMS}")
    kind = _element_type(items)
    return MakeArray(
        Array(kind, len(items)), scope.span(node), tuple(to_data(item, kind) for item in items)
    )


def repeated(items: ast.List, count: Expr, node: ast.BinOp, scope: Scope) -> Expr:
    """Check ``[0] * 8``."""
    if not isinstance(count, Literal) or int(count.value) < 1:
        advice = "an array has a constant length of at least 1"
        raise scope.unsupported(node, "a list of this length", advice)
    made = of_list(items, scope)
    assert isinstance(made, MakeArray)
    length = len(made.items) * int(count.value)
    zero = all(isinstance(item, Literal) and not item.value for item in made.items)
    before: list[Expr] = []
    kept = tuple(once(item, before, scope) for item in made.items)
    parts = () if zero else kept * int(count.value)
    if len(parts) > MAX_ITEMS:
        raise scope.unsupported(node, f"a list of {length} items", f"at most {MAX_ITEMS}, or zeros")
    assert isinstance(made.type, Array)
    found = MakeArray(Array(made.type.element, length), scope.span(node), parts)
    return following([Evaluate(one.span, one) for one in before], found)


def of_annotation(node: ast.expr, kind: DataType, scope: Scope) -> Expr:
    """Check the value of ``name: FixedArray[kind] = …``: `array(n)`, or a list."""
    if isinstance(node, ast.Call):
        callee = scope.expr(node.func).type
        if isinstance(callee, Static) and callee.value is array:
            length = scope.expr(node.args[0]) if len(node.args) == 1 else None
            if not isinstance(length, Literal) or int(length.value) < 1 or node.keywords:
                why = "takes one constant, the length"
                raise Fault(WrongCall(scope.span(node), name="array", why=why))
            return MakeArray(Array(kind, int(length.value)), scope.span(node), ())
    value = scope.expr(node)
    if not isinstance(value, MakeArray) or not isinstance(value.type, Array):
        raise Fault(Mismatch(value.span, expected="array(n) or a list", got=shown(value.type)))
    return to_data(value, Array(kind, value.type.length))


def _element_type(items: tuple[Expr, ...]) -> DataType:
    kinds = [need_value(item).type for item in items]
    if all(isinstance(kind, (Int, Bool)) for kind in kinds):
        if all(isinstance(kind, Bool) for kind in kinds):
            return Bool()
        large = any((item.range or (0, 0))[1] > I64.high for item in items)
        return U64 if large else I64
    joined = kinds[0]
    for kind, item in zip(kinds, items, strict=True):
        found = join(joined, kind)
        if found is None or not isinstance(found, (Chars, Record, Address)):
            wanted = "a list of one type: numbers, text or records"
            odd = next((i for i in items if i.type != kinds[0]), item)
            raise Fault(Mismatch(odd.span, expected=wanted, got=shown(odd.type)))
        joined = found
    assert isinstance(joined, (Chars, Record, Address))
    return joined


def element(base: Expr, index: Expr, span: Span) -> Expr:
    """Check ``array[index]``."""
    kind = base.type
    assert isinstance(kind, Array)
    return ElementOf(kind.element, span, base, place_of(index, kind.length), kind.length)


def place_of(index: Expr, length: int) -> Expr:
    """Return an index that is in range, or ends the program.

    Raises:
        Fault: it is a constant out of range.
    """
    number = need_number(index)
    if isinstance(number, Literal):
        at = int(number.value)
        if not -length <= at < length:
            wanted = f"an index from {-length} to {length - 1}"
            raise Fault(Mismatch(number.span, expected=wanted, got=str(at)))
        return literal(at % length, number.span)
    known = number.range
    if known is not None and known[0] >= 0 and known[1] < length:
        return to_int(number, U64)
    return InRange(U64, number.span, number, length)


def items(base: Expr, span: Span) -> tuple[Expr, ...]:
    """Return every element of an array."""
    kind = base.type
    assert isinstance(kind, Array)
    return tuple(element(base, literal(n, span), span) for n in range(kind.length))


def root(place: Expr) -> Expr:
    """Return what a field or an element is a part of: a variable, a pointer, or a value."""
    while True:
        if isinstance(place, (RecordField, ElementOf)):
            place = place.base
        elif isinstance(place, Unwrap) and in_memory(place.type):
            place = place.value
        else:
            return place


def is_private(place: Expr) -> bool:
    """Tell whether nobody else sees a place: a local variable, a reserved record, a context."""
    start = root(place)
    return isinstance(start, Read) or (
        isinstance(start.type, Pointer) and start.type.space in PRIVATE
    )


def is_in_entry(place: Expr) -> bool:
    """Tell whether a place is in what a variable holds of a map: what ``setdefault`` gave, say."""
    start = root(place)
    return isinstance(start.type, Pointer) and start.type.space is Space.MAP


def is_writable(place: Expr) -> bool:
    """Tell whether a field or an element can be assigned to."""
    start = root(place)
    shared = isinstance(start.type, Pointer) and start.type.space is Space.MAP
    return shared or isinstance(start, GlobalValue) or is_private(place)


def is_shared(value: Expr) -> bool:
    """Tell whether an array or a record is one that has a name already."""
    start = root(value)
    return isinstance(start, (Read, GlobalValue)) or isinstance(start.type, Pointer)
