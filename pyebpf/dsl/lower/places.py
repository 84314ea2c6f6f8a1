"""Arrays, and places in memory that are assigned to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_places, typed_shared
from pyebpf.dsl.lower import shared as lower_shared
from pyebpf.dsl.lower.bits import write_bits
from pyebpf.dsl.lower.prepare import prepare_apart, prepare_field
from pyebpf.dsl.types import Address, Bool, Int, Pointer
from pyebpf.ir import nodes
from pyebpf.ir.nodes import CompareOp, Value
from pyebpf.ir.types import I64, U64

if TYPE_CHECKING:
    from pyebpf.dsl.lower.expr import Expressions


def address(low: Expressions, expr: typed_places.ElementOf) -> Value:
    """Return the address of an element."""
    base = low.memory(expr.base)
    index = low.number(expr.index)
    low.build.span = expr.span
    assert isinstance(base.type, Pointer)
    kind = Pointer(base.type.space, expr.type)  # type: ignore[arg-type]
    size = expr.type.size  # type: ignore[union-attr]
    return low.build.add(nodes.Element(kind, expr.span, base, index, size, expr.length))


def element(low: Expressions, expr: typed_places.ElementOf) -> Value:
    """Lower the reading of an element that is a number."""
    assert isinstance(expr.type, (Int, Bool, Address)), expr.type
    return low.build.load(address(low, expr), expr.type)


def view_address(low: Expressions, expr: typed_places.View) -> Value:
    """Return the address of what is seen."""
    base = low.memory(expr.base)
    index = low.number(expr.index)
    low.build.span = expr.span
    assert isinstance(base.type, Pointer)
    to = expr.type.to if isinstance(expr.type, Pointer) else expr.type
    kind = Pointer(base.type.space, to)  # type: ignore[arg-type]
    return low.build.add(nodes.Element(kind, expr.span, base, index, 1, expr.length))


def view(low: Expressions, expr: typed_places.View) -> Value:
    """Lower memory seen as a number, or the address of it seen as a record."""
    place = view_address(low, expr)
    if isinstance(expr.type, Pointer):
        return place
    assert isinstance(expr.type, (Int, Bool)), expr.type
    return low.build.load(place, expr.type)


def address_of(low: Expressions, expr: typed_places.AddressOf) -> Value:
    """Lower a second name for a record."""
    pointer = low.memory(expr.value)
    return low.build.convert(pointer, expr.type)  # type: ignore[arg-type]


def in_range(low: Expressions, expr: typed_places.InRange) -> Value:
    """Lower an index: negative ones count from the end, others end the program."""
    build, known = low.build, expr.value.range
    value = low.number(expr.value)
    build.span = expr.span
    wide = build.convert(value, U64)
    length = build.const(expr.length, U64)
    if known is None or known[0] < 0:
        negative = build.compare(CompareOp.LT, build.convert(value, I64), build.const(0, I64))
        from_end = build.binary(nodes.BinaryOp.ADD, wide, length)
        wide = build.add(nodes.Select(U64, build.span, negative, from_end, wide))
    low.abort_if(build.compare(CompareOp.GE, wide, length))
    return wide


def set_place(low: Expressions, stmt: typed_places.SetPlace) -> None:
    """Lower ``place = value``; where it is comes after what it gets, as in Python."""
    place = stmt.place
    if isinstance(place, typed.RecordField) and place.field.bits:
        value = low.number(stmt.value)
        record = low.memory(place.base)
        low.build.span = stmt.span
        write_bits(low, record, place.field, value)
        return
    if isinstance(place, typed.RecordField):
        write = prepare_field(low, place.field, stmt.value, prepare_apart)
    else:
        write = prepare_apart(low, stmt.value)
    low.build.span = stmt.span
    write(low.place(place))


def set_global(low: Expressions, stmt: typed_shared.SetGlobal) -> None:
    """Lower ``total.value = value``."""
    write = prepare_apart(low, stmt.value)
    low.build.span = stmt.span
    write(lower_shared.address(low, stmt.variable))


PLACE_NUMBERS: dict[type[typed.Expr], Any] = {
    typed_places.ElementOf: element,
    typed_places.AddressOf: address_of,
    typed_places.View: view,
    typed_places.InRange: in_range,
}
PLACE_EFFECTS: dict[type[typed.Stmt], Any] = {
    typed_places.SetPlace: set_place,
    typed_shared.SetGlobal: set_global,
}
