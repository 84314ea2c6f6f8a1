"""The typed tree of bytes and IP addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.typed import Expr

if TYPE_CHECKING:
    from pyebpf.ir.nodes import CompareOp


class OctetsData(Expr):
    """A constant."""

    value: bytes


class OctetsPart(Expr):
    """Some of the bytes of ``value``, from ``start`` on."""

    value: Expr
    start: int


class NumberOctets(Expr):
    """The four bytes of a number, as they are in memory."""

    value: Expr


class OctetsSame(Expr):
    """Equality of as many bytes."""

    op: CompareOp
    left: Expr
    right: Expr
