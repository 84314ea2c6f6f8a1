"""The typed tree's comparisons of text."""

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
