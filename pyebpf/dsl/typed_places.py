"""The typed tree of arrays, and of places in memory that can be assigned to."""

from __future__ import annotations

from pyebpf.dsl.typed import Expr, Stmt


class MakeArray(Expr):
    """An array of the given items; where there are fewer, the rest is 0."""

    items: tuple[Expr, ...]


class ElementOf(Expr):
    """An element of an array in memory; ``index`` is known to be in range."""

    base: Expr
    index: Expr
    length: int


class View(Expr):
    """Memory seen as another type, ``index`` bytes behind its start; ``index`` is in range.

    A pointer if what is seen is a record.
    """

    base: Expr
    index: Expr
    length: int


class AddressOf(Expr):
    """The address of a record in memory, for a second name."""

    value: Expr


class InRange(Expr):
    """An index into ``length`` elements, as a u64; a negative one counts from the end.

    One that is out of range ends the program, as the exception would that nobody catches.
    """

    value: Expr
    length: int


class SetPlace(Stmt):
    """``place = value`` of a field or an element."""

    place: Expr
    value: Expr
