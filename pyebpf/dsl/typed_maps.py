"""The typed tree of maps, beyond look-ups and stores: elements, defaults, stacks, programs."""

from __future__ import annotations

from pyebpf.dsl.typed import Expr, MapUse, Stmt


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


class StackId(Expr):
    """``stacks.kernel()`` or ``stacks.user()``: an id; ``flags`` are the helper's.

    ``second`` is where a stack goes that the map has no place for.
    """

    map: MapUse
    second: MapUse | None
    flags: int


class TailCall(Stmt):
    """``jumps.call(index)``."""

    map: MapUse
    index: Expr


class Taken(Expr):
    """What a helper stored, or None after an error; in ``arguments``, None stands for where."""

    helper: str
    arguments: tuple[Expr | None, ...]


class CountedCall(Stmt):
    """A helper's call; an error is counted as an update of the map that was refused."""

    map: MapUse
    call: Expr


class Obtain(Expr):
    """``storage.get(object, create=True)``: the value of an object, made if there is none."""

    map: MapUse
    key: Expr


class InnerMap(Expr):
    """``outer.get(key)``: a map of a map of maps, or None."""

    map: MapUse
    key: Expr
