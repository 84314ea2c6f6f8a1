"""`ntohs` and its kin, ours and those of `socket`."""

from __future__ import annotations

import _socket
from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.byte_order import WIDTHS, swapped
from pyebpf.dsl.check.convert import fitting, literal
from pyebpf.dsl.check.number import arithmetic
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import Expr, Literal
from pyebpf.ir.nodes import BinaryOp

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable

    from pyebpf.dsl.check.scope import Scope


def _swap(name: str, node: ast.Call, scope: Scope) -> Expr:
    span, bits = scope.span(node), WIDTHS[name]
    if len(node.args) != 1 or node.keywords:
        raise Fault(WrongCall(span, name=name, why="takes one number by position"))
    value = fitting(scope.expr(node.args[0]), bits)
    if isinstance(value, Literal):
        return literal(swapped(int(value.value), bits), span)
    value, again = scope.temporary(value)
    result: Expr = literal(0, span)
    for at in range(0, bits, 8):
        byte = arithmetic(BinaryOp.SHR, value, literal(at, span), span)
        byte = arithmetic(BinaryOp.AND, byte, literal(0xFF, span), span)
        moved = arithmetic(BinaryOp.SHL, byte, literal(bits - 8 - at, span), span)
        result = moved if at == 0 else arithmetic(BinaryOp.OR, result, moved, span)
        value = again
    return result


#: Ours, by name.
ORDERS: dict[str, Callable[[ast.Call, Scope], Expr]] = {
    name: partial(_swap, name) for name in WIDTHS
}

#: Python's own.
SOCKET_ORDERS: dict[Any, Callable[[ast.Call, Scope], Expr]] = {
    getattr(_socket, name): partial(_swap, name) for name in ("ntohs", "ntohl", "htons", "htonl")
}
