"""The typed tree of timers, and of functions that the kernel calls back."""

from __future__ import annotations

from pyebpf.dsl.typed import Expr, MapUse, RecordField, Subprogram, Turn


class Callback(Subprogram):
    """A function that the kernel calls with a map, and the key and the value of an entry."""

    #: What stands for the entry; each has its own.
    turn: Turn = Turn()


class TimerStart(Expr):
    """``timer.start(delay, function)``; the value is the kernel's answer."""

    timer: RecordField
    map: MapUse
    delay: Expr
    callback: Callback


class TimerCancel(Expr):
    """``timer.cancel()``; the value is the kernel's answer."""

    timer: RecordField
