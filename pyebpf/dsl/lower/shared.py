"""Global variables and atomic changes, from the typed tree to IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pyebpf.dsl import typed, typed_shared
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.typed_places import ElementOf
from pyebpf.dsl.types import PRIVATE, Address, Bool, Int, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, RmwOp, Value
from pyebpf.ir.types import VOID

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions

    #: Does something with the address of a place, wherever in the program that is known.
    Use: TypeAlias = Callable[[Callable[[Value], None]], None]

_PLAIN = {
    RmwOp.ADD: BinaryOp.ADD,
    RmwOp.AND: BinaryOp.AND,
    RmwOp.OR: BinaryOp.OR,
    RmwOp.XOR: BinaryOp.XOR,
}
_ARRAYS = ("array", "percpu_array")


def address(low: Expressions, variable: nodes.GlobalVariable) -> Value:
    """Return a pointer to a global variable."""
    kind = Pointer(Space.MAP, variable.type)
    return low.build.add(nodes.GlobalAddr(kind, low.build.span, variable))


def global_value(low: Expressions, expr: typed_shared.GlobalValue) -> Value:
    """Lower ``total.value`` of a number, or the address of a record."""
    pointer = address(low, expr.variable)
    if isinstance(expr.type, Pointer):
        return pointer
    assert isinstance(expr.type, (Int, Bool, Address)), expr.type
    return low.build.load(pointer, expr.type)


def change(low: Expressions, stmt: typed_shared.Change) -> None:
    """Lower ``place op= value``."""
    use = _locate(low, stmt.place, needs_value=False)
    value = low.number(stmt.value)
    low.build.span = stmt.span

    def do(pointer: Value) -> None:
        assert isinstance(pointer.type, Pointer)
        if pointer.type.space not in PRIVATE:
            low.build.add(nodes.AtomicRmw(VOID, low.build.span, stmt.op, pointer, value))
            return
        # Nobody else sees it, and the kernel has no atomics there.
        have = low.build.load(pointer, value.type)
        low.build.store(pointer, low.build.binary(_PLAIN[stmt.op], have, value))

    use(do)


def fetch_change(low: Expressions, expr: typed_shared.FetchChange) -> Value:
    """Lower ``fetch_add(place, value)``."""
    use = _locate(low, expr.place, needs_value=True)
    value = low.number(expr.value)
    build = low.build
    build.span = expr.span

    def do(pointer: Value) -> Value:
        return build.add(nodes.AtomicRmw(value.type, build.span, expr.op, pointer, value))

    return _result(low, value, use, do)


def compare_exchange(low: Expressions, expr: typed_shared.CompareExchange) -> Value:
    """Lower ``compare_exchange(place, expected, new)``."""
    use = _locate(low, expr.place, needs_value=True)
    expected, new = low.number(expr.expected), low.number(expr.new)
    build = low.build
    build.span = expr.span

    def do(pointer: Value) -> Value:
        return build.add(nodes.CompareExchange(new.type, build.span, pointer, expected, new))

    return _result(low, new, use, do)


def _result(low: Expressions, like: Value, use: Use, do: Callable[[Value], Value]) -> Value:
    # Without room for a new entry the change is lost, and what was there before it is 0.
    old = low.build.slot("old", like.type)
    low.build.write(old, low.build.const(0, like.type))
    use(lambda pointer: low.build.write(old, do(pointer)))
    return low.build.read(old)


def _locate(low: Expressions, place: typed.Expr, *, needs_value: bool) -> Use:
    """Find a place; what is needed to find it is computed now, before the new value is."""
    if isinstance(place, (typed.RecordField, ElementOf)):
        pointer = low.place(place)
        return lambda do: do(pointer)
    if isinstance(place, typed_shared.GlobalValue):
        return lambda do: do(address(low, place.variable))
    assert isinstance(place, typed_shared.Entry), place
    spec = place.map.spec
    key = lower_map.key_in(low, spec, place.key)
    if spec.kind not in _ARRAYS:
        kind = spec.value
        assert kind is not None
        return lambda do: lower_map.upsert(
            low, place.map, key, lambda: lower_map.zero(low, kind), do
        )

    refused = lower_map.refused(low, place.map, place.key)

    def beyond() -> None:
        refused()
        if needs_value:
            low.abort()

    # Every index is there from the start.
    return lambda do: lower_map.either(low, lower_map.find(low, place.map, key), do, beyond)
