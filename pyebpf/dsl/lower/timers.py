"""Timers, from the typed tree to IR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.typed_timers import TimerCancel, TimerStart
from pyebpf.ir.nodes import FuncAddr, Value
from pyebpf.ir.types import I32, I64, U64, Pointer, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions

_CLOCK_MONOTONIC = 1


def _start(low: Expressions, expr: TimerStart) -> Value:
    build = low.build
    delay = low.number(expr.delay)
    timer = low.member(expr.timer.base, expr.timer.field)
    name = low.callback(expr.callback)
    build.span = expr.span
    # One that was prepared before says -EBUSY, which is as good.
    clock = build.const(_CLOCK_MONOTONIC, U64)
    build.call("timer_init", (timer, build.map(expr.map.spec), clock), I64)
    code = build.add(FuncAddr(Pointer(Space.CODE), build.span, name))
    build.call("timer_set_callback", (timer, code), I64)
    return _answer(low, build.call("timer_start", (timer, delay, build.const(0, U64)), I64))


def _cancel(low: Expressions, expr: TimerCancel) -> Value:
    timer = low.member(expr.timer.base, expr.timer.field)
    low.build.span = expr.span
    return _answer(low, low.build.call("timer_cancel", (timer,), I64))


def _answer(low: Expressions, value: Value) -> Value:
    # The upper half of a negative `int` is not its sign on every kernel.
    return low.build.convert(low.build.convert(value, I32), I64)


TIMER_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    TimerStart: _start,
    TimerCancel: _cancel,
}
