"""The typed tree of memory that is shared: global variables, and atomic changes of any place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.typed import Expr, MapUse, Stmt

if TYPE_CHECKING:
    from pyebpf.ir.nodes import GlobalVariable, RmwOp


class GlobalValue(Expr):
    """``total.value``; of a record it is a pointer to it."""

    variable: GlobalVariable


class SetGlobal(Stmt):
    """``total.value = value``."""

    variable: GlobalVariable
    value: Expr


class Entry(Expr):
    """``map[key]`` as a place to change; a hash gets the entry, 0, if it lacks it."""

    map: MapUse
    key: Expr


class Change(Stmt):
    """``place op= value``, atomic. A place is a record's field, a global or an :class:`Entry`."""

    place: Expr
    op: RmwOp
    value: Expr


class FetchChange(Expr):
    """``fetch_add(place, value)`` and the like: atomic; the value is what was there."""

    place: Expr
    op: RmwOp
    value: Expr


class CompareExchange(Expr):
    """``compare_exchange(place, expected, new)``: atomic; the value is what was there."""

    place: Expr
    expected: Expr
    new: Expr
