"""The typed tree of contexts, and of the packets behind them."""

from __future__ import annotations

from pyebpf.dsl.typed import Expr


class ContextObject(Expr):
    """The context itself, a record that the caller passes."""


class ContextField(Expr):
    """A number or pointer in the context, ``width`` bytes wide there."""

    offset: int
    width: int


class ContextBound(Expr):
    """Where the data of a packet begins or ends: an address, ``width`` bytes in the context."""

    offset: int
    width: int


class PacketAt(Expr):
    """The record ``at`` bytes into a packet, or None if the packet ends before its end."""

    begin: ContextBound
    end: ContextBound
    at: Expr


class PacketCopy(Expr):
    """The same, copied out of a packet that the program may not look into."""

    at: Expr


class PacketLength(Expr):
    """How many bytes of a packet can be accessed."""

    begin: ContextBound
    end: ContextBound


class ContextText(Expr):
    """Text of a fixed size in the context."""

    offset: int
