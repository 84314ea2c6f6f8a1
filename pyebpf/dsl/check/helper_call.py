"""Helpers by name: ``helpers.NAME(…)``, checked and typed by the row of the helper."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.abi.helpers import RELEASED_BY
from pyebpf.dsl import typed
from pyebpf.dsl.check.arrays import root
from pyebpf.dsl.check.contexts import Context
from pyebpf.dsl.check.convert import need_number, need_value, to_data, to_int
from pyebpf.dsl.check.kfuncs import by_address, in_own_memory
from pyebpf.dsl.check.map_use import as_map, entry_type, key_of, use
from pyebpf.dsl.check.objects import need_helper, vouched
from pyebpf.dsl.check.pointers import as_pointer
from pyebpf.dsl.faults import Fault, Mismatch, UnknownType, WrongCall
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.typed import Effect, Evaluate, Expr, Literal, MapUse
from pyebpf.dsl.typed_kernel import (
    ConstantText,
    ContextPointer,
    HelperCall,
    InMemory,
    MapArgument,
    PlaceOf,
    Within,
)
from pyebpf.dsl.typed_shared import GlobalValue
from pyebpf.dsl.types import (
    I64,
    NONE,
    U64,
    Array,
    Chars,
    Maybe,
    NoneType,
    Octets,
    Pointer,
    Record,
    Space,
    Static,
    ValueType,
    shown,
)
from pyebpf.spec.types import I32, U16, U32

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.abi.helpers import Helper, Parameter
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope

_NUMBERS = {"u16": U16, "be16": U16, "u32": U32, "u64": U64, "i32": I32, "i64": I64, "flags": U64}
_SIZES = ("size", "size_or_zero", "const_size")
_READ = ("mem", "mem_or_null", "fixed")
_WRITTEN = ("uninit_mem", "rw_mem", "rw_mem_or_null", "uninit_fixed", "rw_fixed", "uninit_value")
_OWN = (Space.MAP, Space.RING, Space.STACK)
_RESULTS = {"errno": I64, "length": I64, "i64": I64, "u64": U64, "u32": U32, "i32": I32}

#: Sockets as the verifier shows them to programs, under names of their own.
_SOCKETS = {
    "socket_or_null": "bpf_sock",
    "sock_common_or_null": "bpf_sock",
    "tcp_sock_or_null": "bpf_tcp_sock",
}
_KNOWN_RESULTS = (*_RESULTS, *_SOCKETS, "void", "btf", "btf_or_null", "value", "value_or_null")


class _Call:
    """One call while it is checked."""

    def __init__(self, row: Helper, node: ast.Call, scope: Scope) -> None:
        self.row, self.node, self.scope = row, node, scope
        self.span = scope.span(node)
        self.map: MapUse | None = None
        self.out: list[Expr] = []

    def fail(self, why: str, span: Span | None = None, advice: str = "") -> Fault:
        name = f"helpers.{self.row.name}"
        return Fault(WrongCall(span or self.span, name=name, why=why, advice=advice))


def call_helper(row: Helper, node: ast.Call, scope: Scope) -> Expr:
    """Check a call of a helper."""
    call = _Call(row, node, scope)
    need_helper(row, f"helpers.{row.name}", call.span, scope)
    if row.ret.kind not in _KNOWN_RESULTS:
        why = f"gives a `{row.ret.kind}`, which the language does not have as a value"
        raise call.fail(why)
    for parameter, expr in _match(call):
        call.out.append(_argument(call, parameter, expr))
    if row.name in RELEASED_BY.values() or row.name in RELEASED_BY:
        scope.unit.note_call(row.name, call.span)
    kind = _result(call)
    made = HelperCall(kind, call.span, row.name, tuple(call.out))
    return Effect(NONE, call.span, Evaluate(call.span, made)) if kind == NONE else made


def _match(call: _Call) -> list[tuple[Parameter, Expr]]:
    node, scope, parameters = call.node, call.scope, call.row.args
    names = [p.python_name for p in parameters]
    shown = f"it takes ({', '.join(names)})"
    if len(node.args) > len(names):
        raise call.fail(f"takes {len(names)} arguments, got {len(node.args)}", advice=shown)
    given = {name: scope.expr(arg) for name, arg in zip(names, node.args, strict=False)}
    for keyword in node.keywords:
        if keyword.arg not in names or keyword.arg in given:
            raise call.fail(f"takes no argument `{keyword.arg}` here", advice=shown)
        given[keyword.arg] = scope.expr(keyword.value)
    out = []
    for parameter in parameters:
        name = parameter.python_name
        if name not in given and parameter.default == "0":
            given[name] = Literal(U64, call.span, 0)
        elif name not in given and parameter.default:
            given[name] = typed.Object(NONE, call.span)
        elif name not in given:
            raise call.fail(f"misses the argument `{name}`", advice=shown)
        out.append((parameter, given[name]))
    return out


def _argument(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    kind = parameter.kind
    if isinstance(expr.type, NoneType):
        if not kind.endswith("_or_null"):
            raise Fault(Mismatch(expr.span, expected=f"memory for `{parameter.name}`", got="None"))
        return typed.Cast(Pointer(Space.KERNEL), expr.span, Literal(U64, expr.span, 0))
    rule = _RULES.get(kind)
    if rule is None:
        why = f"takes a `{kind}` as `{parameter.name}`, which the language does not have as a value"
        raise call.fail(why, expr.span)
    return rule(call, parameter, expr)


def _number(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    return to_int(need_number(need_value(expr)), _NUMBERS[parameter.kind])


def _address(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    return to_int(need_number(need_value(as_pointer(expr, call.scope))), U64)


def _constant_text(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    if not isinstance(expr, typed.Text):
        raise Fault(Mismatch(expr.span, expected="a constant text", got=shown(expr.type)))
    return ConstantText(Pointer(Space.MAP), expr.span, expr.value)


def _context(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    if not isinstance(getattr(expr.type, "value", None), Context):
        raise Fault(Mismatch(expr.span, expected="the probe's context", got=shown(expr.type)))
    return ContextPointer(Pointer(Space.CTX), expr.span)


def _map(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    expr = as_map(expr)
    decl = expr.type.value if isinstance(expr.type, Static) else None
    if not isinstance(decl, MapDecl):
        raise Fault(Mismatch(expr.span, expected="a map", got=shown(expr.type)))
    call.map = use(decl, expr.span, call.scope)
    return MapArgument(Pointer(Space.HANDLE), expr.span, call.map)


def _entry(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    kind = parameter.kind
    spec = call.map.spec if call.map else None
    wanted = (spec.key if kind == "key" else spec.value) if spec else None
    if wanted is None:
        raise call.fail(f"has no map whose {kind} this could be", expr.span)
    if kind == "key" and call.map is not None:
        key = key_of(call.map, need_value(expr), call.scope)
        return InMemory(Pointer(Space.STACK), expr.span, key)
    return InMemory(Pointer(Space.STACK), expr.span, to_data(need_value(expr), wanted))


def _memory(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    expr = need_value(expr)
    if not in_own_memory(expr):
        expected = f"text or a record for `{parameter.name}`"
        raise Fault(Mismatch(expr.span, expected=expected, got=shown(expr.type)))
    return by_address(expr)


def _place(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    expr = need_value(expr)
    base = root(expr)
    kind = base.type
    in_map = isinstance(kind, Pointer) and kind.space in _OWN and isinstance(kind.to, Record)
    named = isinstance(base, (typed.Read, GlobalValue)) and isinstance(kind, (Record, Chars, Array))
    if not in_map and (not named or isinstance(expr.type, Octets)):
        expected = f"a place for `{parameter.name}`: a field, or a variable with text or a record"
        raise Fault(Mismatch(expr.span, expected=expected, got=shown(expr.type)))
    return PlaceOf(Pointer(Space.STACK), expr.span, expr)


def _size(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    """Check a size against the memory before it."""
    number = need_number(need_value(expr))
    before = call.out[-1] if call.out else None
    room = 0
    if isinstance(before, (InMemory, PlaceOf)):
        kind = before.value.type
        room = getattr(kind.to if isinstance(kind, Pointer) else kind, "size", 0)
    known = number.range
    if known is None or known[0] < 0 or known[1] > room:
        constant = isinstance(number, Literal)
        got = str(number.value) if isinstance(number, Literal) else "a number that may be another"
        advice = "" if constant else f"give a constant, or `min(…, {room})`"
        expected = f"a size from 0 to {room}"
        raise Fault(Mismatch(expr.span, expected=expected, got=got, advice=advice))
    size = to_int(number, U32)
    return size if isinstance(number, Literal) else Within(U32, expr.span, size, room)


def _object(call: _Call, parameter: Parameter, expr: Expr) -> Expr:
    return vouched(parameter, call.row.name, expr, call.scope)


def _result(call: _Call) -> ValueType:
    ret, scope = call.row.ret, call.scope
    if ret.kind in _RESULTS:
        return _RESULTS[ret.kind]
    if ret.kind == "void":
        return NONE
    if ret.kind in ("btf", "btf_or_null", *_SOCKETS):
        name = ret.type or _SOCKETS[ret.kind]
        found = scope.unit.kernel.find(name)
        if found is None:
            raise Fault(UnknownType(call.span, name=name))
        pointer = scope.unit.kernel.pointer(found.id, Space.BTF)
        return pointer if ret.kind == "btf" else Maybe(pointer)
    assert call.map is not None, call.row
    entry = entry_type(call.map)
    if isinstance(entry, Pointer):
        return entry if ret.kind == "value" else Maybe(entry)
    raise call.fail("gives the address of a number", advice="use the methods of the map")


_RULES: dict[str, Callable[[_Call, Parameter, Expr], Expr]] = {
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_SIZES, _size),
    **dict.fromkeys(("kernel_addr", "user_addr"), _address),
    **dict.fromkeys(("key", "value", "value_or_null"), _entry),
    **dict.fromkeys(_READ, _memory),
    **dict.fromkeys(_WRITTEN, _place),
    **dict.fromkeys(("ctx", "ctx_or_null"), _context),
    **dict.fromkeys(("btf", "sock", "sock_common", "released_sock", "ctx_or_sock"), _object),
    "map": _map,
    "const_str": _constant_text,
}
