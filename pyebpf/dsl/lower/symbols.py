"""Calls of kernel functions, and addresses of kernel variables, in IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed_kernel as far
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower.maps import Optional
from pyebpf.dsl.types import BOOL, Bool, Int, KernelRef, Maybe, NoneType, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import Value
from pyebpf.ir.types import U32, VOID, Type

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl import typed
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
    far.InMemory: _in_memory,
    far.ConstantText: _constant_text,
    far.VariableAddress: _address,
    far.PerCpu: _per_cpu,
}
SYMBOL_OPTIONALS: dict[type[typed.Expr], Callable[[Expressions, Any], Optional]] = {
    far.KfuncCall: _kfunc_optional,
    far.PerCpu: _per_cpu_optional,
}
