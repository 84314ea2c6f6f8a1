"""The typed tree of maps, beyond look-ups and stores: elements of arrays, defaults, stacks."""

from __future__ import annotations

from pyebpf.dsl.typed import Expr, MapUse


class Index(Expr):
    """An index into ``length`` elements, as a u32.

    A negative one counts from the end; one out of range becomes one that the kernel refuses.
    """

    value: Expr
    length: int


class Element(Expr):
    """``array[index]``; the program ends, as by an IndexError, if there is no such element."""

    map: MapUse
    key: Expr


class GetOr(Expr):
    """``map.get(key, default)``; ``map.pop(key, default)`` with ``remove``."""

    map: MapUse
    key: Expr
    default: Expr
    remove: bool = False
