"""Timers in map values: when they are started, and the functions that they call."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING

from pyebpf.dsl.check.arrays import root
from pyebpf.dsl.check.convert import need_number, need_value, to_int
from pyebpf.dsl.check.entries import key_of_turn
from pyebpf.dsl.check.map_use import entry_type, use
from pyebpf.dsl.check.scope import Scope
from pyebpf.dsl.collect import namespace
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.source import capture
from pyebpf.dsl.typed import EntryValue, Expr, RecordField, Turn, Variable
from pyebpf.dsl.typed_timers import Callback, TimerCancel, TimerStart
from pyebpf.dsl.types import I64, NONE, U64, NoneType, Pointer, Space, Static
from pyebpf.dsl.unit_names import numbered
from pyebpf.spec.kernel_fields import TIMER

if TYPE_CHECKING:
    from pyebpf.dsl.typed import MapUse

_WORDS = ("start", "cancel")
_PARAMETERS = 2
_TAKES = "takes a delay in nanoseconds and a function: timer.start(1_000_000, expired)"


def is_timer(expr: Expr) -> bool:
    """Tell whether an expression is the timer of a map entry."""
    return expr.type == TIMER and isinstance(expr, RecordField)


def timer_call(timer: Expr, word: str, node: ast.Call, scope: Scope) -> Expr:
    """Check ``entry.timer.start(delay, function)`` or ``entry.timer.cancel()``."""
    span = scope.span(node)
    assert isinstance(timer, RecordField)
    if word not in _WORDS:
        advice = f"it has {' and '.join(_WORDS)}"
        raise Fault(WrongCall(span, name=word, why="is no method of a Timer", advice=advice))
    kind = root(timer).type
    if not isinstance(kind, Pointer) or kind.space is not Space.MAP:
        raise Fault(WrongCall(span, name=word, why="needs the timer of a map entry"))
    if word == "cancel":
        if node.args or node.keywords:
            raise Fault(WrongCall(span, name=word, why="takes no arguments"))
        return TimerCancel(I64, span, timer)
    if node.keywords or len(node.args) != _PARAMETERS:
        raise Fault(WrongCall(span, name=word, why=_TAKES))
    delay = to_int(need_number(need_value(scope.expr(node.args[0]))), U64)
    made = _map_of(kind, node, scope)
    return TimerStart(I64, span, timer, made, delay, _callback(made, node.args[1], scope))


def _map_of(kind: Pointer, node: ast.Call, scope: Scope) -> MapUse:
    """Return the map whose entries are of a type: the kernel wants it beside the timer."""
    span = scope.span(node)
    cpus = scope.unit.target.cpus
    found = [
        decl
        for decl, name in scope.unit.collected.maps.items()
        if decl.spec(name, cpus).value == kind.to
    ]
    if len(found) == 1:
        return use(found[0], span, scope)
    why = f"is in `{kind.to}`, which is the value of {len(found)} maps"
    advice = "give each map a record of its own, so that it is known which one is meant"
    raise Fault(WrongCall(span, name="timer", why=why, advice=advice))


def _callback(made: MapUse, node: ast.expr, scope: Scope) -> Callback:
    function = getattr(scope.expr(node).type, "value", None)
    span = scope.span(node)
    if not isinstance(function, FunctionType):
        raise Fault(WrongCall(span, name="start", why=_TAKES))
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    if len(names) != _PARAMETERS:
        why = f"takes {len(names)} arguments; a timer gives it the key and the entry"
        raise Fault(WrongCall(span, name=function.__name__, why=why))
    known = scope.unit.subprograms
    key = ("callback", function, made.decl, scope.unit.hook_kind)
    if key not in known:
        known[key] = _new(function, made, scope)
        _check(known[key], function, names, made, scope)  # type: ignore[arg-type]
    found = known[key]
    assert isinstance(found, Callback)
    if found.faulty:
        raise Fault
    return found


def _new(function: FunctionType, made: MapUse, scope: Scope) -> Callback:
    known = scope.unit.subprograms.values()
    name = numbered(function.__name__, (sub.name for sub in known))
    parameters = [
        Variable("map", Pointer(Space.HANDLE)),
        Variable("key", Pointer(Space.MAP, made.spec.key)),
        Variable("value", Pointer(Space.MAP, made.spec.value)),
    ]
    return Callback(name, capture(function).name_span(), NONE, parameters, [], turn=Turn())


def _check(
    callback: Callback, function: FunctionType, names: tuple[str, ...], made: MapUse, scope: Scope
) -> None:
    source = capture(function)
    inner = Scope(
        scope.unit,
        scope.rules,
        source,
        namespace(function),
        stack=(function,),
        path=f"@{callback.name}",
    )
    kind = entry_type(made)
    assert not isinstance(kind, Static)
    inner.arguments[names[0]] = key_of_turn(made, callback.turn, callback.span)
    inner.arguments[names[1]] = EntryValue(kind, callback.span, callback.turn)
    for name in names:
        if inner.is_assigned(name):
            why = f"gives its parameter `{name}` a new value"
            raise Fault(WrongCall(callback.span, name=callback.name, why=why))
    inner.result = inner.variable("return")
    callback.body = inner.block(source.node.body)
    callback.faulty = inner.faulty
    if not isinstance(inner.result.type, (NoneType, type(None))):
        why = "gives something back, and a timer's function may not"
        raise Fault(WrongCall(callback.span, name=callback.name, why=why))
