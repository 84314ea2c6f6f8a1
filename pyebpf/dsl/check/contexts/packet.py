"""The data of a packet: records at checked places, or copies where the kernel allows no more."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import need_number, need_value, to_int
from pyebpf.dsl.check.pointers import no_type, type_argument
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import Expr, Literal
from pyebpf.dsl.typed_context import ContextBound, PacketAt, PacketCopy, PacketLength
from pyebpf.dsl.types import U64, Maybe, Pointer, Record, Space

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.dsl.uapi import ContextStruct


#: Kinds that reach a packet by helpers only: ``sk_filter_is_valid_access`` of net/core/filter.c.
_COPYING = ("socket_filter",)


def packet_call(name: str, struct: ContextStruct, node: ast.Call, scope: Scope) -> Expr:
    """Check ``ctx.packet(Record, at)`` or ``ctx.packet_length()``."""
    span = scope.span(node)
    begin, end = (_bound(which, struct, node, scope) for which in struct.bounds)
    copies = scope.unit.hook_kind in _COPYING
    if name == "packet_length" and copies:
        why = "counts what can be read in place, which a socket filter cannot"
        raise Fault(WrongCall(span, name=name, why=why, advice="`ctx.len` is the packet's length"))
    if name == "packet_length":
        if node.args or node.keywords:
            raise Fault(WrongCall(span, name=name, why="takes no arguments"))
        return PacketLength(U64, span, begin, end)
    given = list(node.args)
    if len(given) == 1 and len(node.keywords) == 1 and node.keywords[0].arg == "at":
        given.append(node.keywords[0].value)
    elif node.keywords or len(given) not in (1, 2):
        why = "takes a record and where it lies, in bytes: ctx.packet(Ethernet, at=0)"
        raise Fault(WrongCall(span, name=name, why=why))
    hint, kind = type_argument(given[0], scope)
    if not isinstance(kind, Record):
        raise no_type(given[0], hint, scope, "a `@record` with the layout of the header")
    at: Expr = Literal(U64, span, 0)
    if len(given) > 1:
        at = to_int(need_number(need_value(scope.expr(given[1]))), U64)
    if copies:
        return PacketCopy(Maybe(Pointer(Space.STACK, kind)), span, at)
    return PacketAt(Maybe(Pointer(Space.PACKET, kind)), span, begin, end, at)


def _bound(which: str, struct: ContextStruct, node: ast.Call, scope: Scope) -> ContextBound:
    field = struct.record.field(which)
    assert field is not None
    kind = Pointer(Space.PACKET)
    return ContextBound(kind, scope.span(node), field.offset, field.type.size)
