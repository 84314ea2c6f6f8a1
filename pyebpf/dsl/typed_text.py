"""The typed tree's operations on text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.typed import Expr

if TYPE_CHECKING:
    from pyebpf.ir.nodes import CompareOp


class TextBegins(Expr):
    """A text begins with ``data``, which fits; if that ends with NUL, it is all of the text."""

    text: Expr
    data: bytes


class TextSame(Expr):
    """Equality of two texts, each up to its first NUL."""

    op: CompareOp
    left: Expr
    right: Expr


class TextLength(Expr):
    """``len(text)``: characters, not bytes."""

    text: Expr


class TextUpTo(Expr):
    """``text[:count]``."""

    text: Expr
    count: int


class TextFrom(Expr):
    """``text[count:]``."""

    text: Expr
    count: int


class TextFirst(Expr):
    """``text[0]``; an empty text ends the program."""

    text: Expr


class TextOrd(Expr):
    """``ord(text[0])``; an empty text ends the program."""

    text: Expr


class TextEnds(Expr):
    """A text ends with ``data``, which fits and is not empty."""

    text: Expr
    data: bytes
