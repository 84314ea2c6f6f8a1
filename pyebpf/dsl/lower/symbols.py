"""Calls of kernel functions, and addresses of kernel variables, in IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.helpers import HELPERS
from pyebpf.dsl import typed, typed_maps
from pyebpf.dsl import typed_kernel as far
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower.maps import Optional
from pyebpf.dsl.typed_places import ElementOf
from pyebpf.dsl.types import BOOL, Bool, Int, KernelRef, Maybe, NoneType, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import Value
from pyebpf.ir.types import I32, I64, U32, VOID, Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions


def _kfunc(low: Expressions, expr: far.KfuncCall) -> Value:
    arguments = tuple(low.number(argument) for argument in expr.arguments)
    low.build.span = expr.span
    kind: Type
    if isinstance(expr.type, Maybe):
        assert isinstance(expr.type.inner, Pointer)
        kind = expr.type.inner.replace(nullable=True)
    elif isinstance(expr.type, NoneType):
        kind = VOID
    else:
        assert isinstance(expr.type, (Int, Bool, Pointer)), expr.type
        kind = expr.type
    call = nodes.CallKfunc(kind, expr.span, expr.name, arguments, expr.prototype)
    return low.build.add(call)


def optional_pointer(low: Expressions, pointer: Value, kind: Type) -> Optional:
    """Return a pointer that may be null as a value that may be None."""
    build = low.build
    flag, value = build.slot("found", BOOL), build.slot("object", kind)

    def hit(found: Value) -> None:
        build.write(value, build.convert(found, kind))
        build.write(flag, build.const(1, BOOL))

    def miss() -> None:
        build.write(value, build.const(0, kind))
        build.write(flag, build.const(0, BOOL))

    lower_map.either(low, pointer, hit, miss)
    return Optional(build.read(flag), build.read(value))


def _kfunc_optional(low: Expressions, expr: far.KfuncCall) -> Optional:
    assert isinstance(expr.type, Maybe)
    return optional_pointer(low, _kfunc(low, expr), expr.type.inner)


def _helper(low: Expressions, expr: far.HelperCall) -> Value:
    arguments = tuple(low.number(argument) for argument in expr.arguments)
    low.build.span = expr.span
    if isinstance(expr.type, NoneType):
        return low.build.call(expr.helper, arguments, VOID)
    if isinstance(expr.type, Maybe):
        assert isinstance(expr.type.inner, Pointer)
        return low.build.call(expr.helper, arguments, expr.type.inner.replace(nullable=True))
    assert isinstance(expr.type, (Int, Pointer)), expr.type
    value = low.build.call(expr.helper, arguments, expr.type)
    if expr.type == I64 and HELPERS[expr.helper].ret.kind == "errno":
        # Before "bpf: return long from bpf_map_ops funcs" (in v6.4) some give an `int`, whose upper
        # half is not its sign.
        return low.build.convert(low.build.convert(value, I32), I64)
    return value


def _helper_optional(low: Expressions, expr: far.HelperCall) -> Optional:
    assert isinstance(expr.type, Maybe)
    return optional_pointer(low, _helper(low, expr), expr.type.inner)


def _map_argument(low: Expressions, expr: far.MapArgument) -> Value:
    return lower_map.handle(low, expr.map)


def _place_of(low: Expressions, expr: far.PlaceOf) -> Value:
    inner = expr.value
    if isinstance(inner, (typed.RecordField, ElementOf)):
        return low.place(inner)
    return low.memory(inner)


def _within(low: Expressions, expr: far.Within) -> Value:
    return low.build.add(nodes.Bounded(U32, expr.span, low.number(expr.value), expr.most))


def _context(low: Expressions, expr: far.ContextPointer) -> Value:
    return low.context


def _in_memory(low: Expressions, expr: far.InMemory) -> Value:
    return low.in_slot(expr.value, "argument")


def _constant_text(low: Expressions, expr: far.ConstantText) -> Value:
    text = nodes.ConstText(Pointer(Space.MAP), expr.span, expr.value)
    return low.build.add(text)


def _address(low: Expressions, expr: far.VariableAddress) -> Value:
    assert isinstance(expr.type, Pointer)
    found = nodes.KernelSymbol(expr.type, expr.span, expr.name, expr.declared, expr.weak)
    return low.build.add(found)


def _per_cpu_pointer(low: Expressions, expr: far.PerCpu, kind: Pointer) -> Value:
    variable = _address(low, expr.variable)
    if expr.cpu is None:
        return low.build.call("this_cpu_ptr", (variable,), kind)
    number = low.build.convert(low.number(expr.cpu), U32)
    low.build.span = expr.span
    return low.build.call("per_cpu_ptr", (variable, number), kind.replace(nullable=True))


def _per_cpu(low: Expressions, expr: far.PerCpu) -> Value:
    if isinstance(expr.type, Pointer) and isinstance(expr.type.to, KernelRef):
        return _per_cpu_pointer(low, expr, expr.type)
    assert isinstance(expr.type, (Int, Bool, Pointer)), expr.type
    place = _per_cpu_pointer(low, expr, Pointer(Space.BTF))
    return low.build.load(place, expr.type)


def _per_cpu_optional(low: Expressions, expr: far.PerCpu) -> Optional:
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    if isinstance(kind, Pointer) and isinstance(kind.to, KernelRef):
        return optional_pointer(low, _per_cpu_pointer(low, expr, kind), kind)
    build = low.build
    flag, value = build.slot("found", BOOL), build.slot("value", kind)

    def hit(found: Value) -> None:
        build.write(value, build.load(found, kind))
        build.write(flag, build.const(1, BOOL))

    def miss() -> None:
        build.write(value, build.const(0, kind))
        build.write(flag, build.const(0, BOOL))

    lower_map.either(low, _per_cpu_pointer(low, expr, Pointer(Space.BTF)), hit, miss)
    return Optional(build.read(flag), build.read(value))


SYMBOL_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    far.KfuncCall: _kfunc,
    far.HelperCall: _helper,
    far.MapArgument: _map_argument,
    far.PlaceOf: _place_of,
    far.Within: _within,
    far.ContextPointer: _context,
    far.InMemory: _in_memory,
    far.ConstantText: _constant_text,
    far.VariableAddress: _address,
    far.PerCpu: _per_cpu,
}


def _inner_map(low: Expressions, expr: typed_maps.InnerMap) -> Optional:
    assert isinstance(expr.type, Maybe)
    assert isinstance(expr.type.inner, Pointer)
    key = low.in_slot(expr.key, "key")
    low.build.span = expr.span
    kind = Pointer(Space.HANDLE, nullable=True)
    arguments = (low.build.map(expr.map.spec), key)
    pointer = low.build.call("map_lookup_elem", arguments, kind)
    return optional_pointer(low, pointer, expr.type.inner)


SYMBOL_OPTIONALS: dict[type[typed.Expr], Callable[[Expressions, Any], Optional]] = {
    far.KfuncCall: _kfunc_optional,
    far.HelperCall: _helper_optional,
    far.PerCpu: _per_cpu_optional,
    typed_maps.InnerMap: _inner_map,
}
