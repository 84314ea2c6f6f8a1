"""Memory of our own, seen as another type: ``view(Header, place, offset)``."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.check.arrays import root
from pyebpf.dsl.check.convert import literal, need_number, need_value, to_int
from pyebpf.dsl.check.pointers import no_type, type_argument
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Expr, Literal, Read
from pyebpf.dsl.typed_places import ElementOf, InRange, View
from pyebpf.dsl.typed_shared import GlobalValue
from pyebpf.dsl.types import U64, Array, Bool, Chars, Int, Octets, Pointer, Record, Space, shown
from pyebpf.spec.kernel_fields import kernel_fields

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.spec.types import DataType

_LEAST, _MOST = 2, 3


def view(node: ast.Call, scope: Scope) -> Expr:
    """Check ``view(kind, place, offset)``.

    Raises:
        Fault: there is no such memory, or not enough of it.
    """
    span = scope.span(node)
    if node.keywords or not _LEAST <= len(node.args) <= _MOST:
        why = "takes a type, a place, and how many bytes behind its start, by position"
        raise Fault(WrongCall(span, name="view", why=why))
    hint, kind = type_argument(node.args[0], scope)
    if not isinstance(kind, (Int, Bool, Record, Octets)) or kernel_fields(kind):
        raise no_type(node.args[0], hint, scope)
    base = need_value(scope.expr(node.args[1]))
    space, there = _memory(base)
    room = there.size - kind.size
    if room < 0:
        expected = f"memory of at least {kind.size} bytes for `{kind}`"
        raise Fault(Mismatch(base.span, expected=expected, got=f"{there.size} bytes"))
    given = scope.expr(node.args[2]) if len(node.args) == _MOST else literal(0, span)
    index = _offset(given, room)
    if space is Space.STACK and not _is_aligned(index, kind, there):
        why = f"needs a constant offset that is a multiple of {kind.align} into a local variable"
        advice = "keep it in a map or a Global"
        raise Fault(WrongCall(span, name="view", why=why, advice=advice))
    seen = Pointer(space, kind) if isinstance(kind, Record) else kind
    return View(seen, span, base, index, room + 1)


def _memory(base: Expr) -> tuple[Space, Any]:
    """Return where a place is, and what is there."""
    kind = base.type
    if isinstance(kind, Pointer) and kind.space in (Space.MAP, Space.RING, Space.STACK):
        if isinstance(kind.to, Record):
            return kind.space, kind.to
    elif isinstance(kind, (Record, Array, Chars)) or _is_part(base):
        start = root(base)
        if isinstance(start.type, Pointer):
            if start.type.space in (Space.MAP, Space.RING, Space.STACK):
                return start.type.space, kind
        elif isinstance(start, GlobalValue):
            return Space.MAP, kind
        elif isinstance(start, Read):
            return Space.STACK, kind
    expected = "memory of our own: an entry, a variable, or a part of one"
    advice = "of an address, use cast(Ptr[…], address)"
    raise Fault(Mismatch(base.span, expected=expected, got=shown(kind), advice=advice))


def _is_part(base: Expr) -> bool:
    """Tell whether a number is a part of something in memory, and not a bit-field."""
    if isinstance(base, typed.RecordField):
        return not base.field.bits
    return isinstance(base, (ElementOf, GlobalValue))


def _offset(given: Expr, room: int) -> Expr:
    number = need_number(need_value(given))
    if isinstance(number, Literal):
        if not 0 <= int(number.value) <= room:
            wanted = f"an offset from 0 to {room}"
            raise Fault(Mismatch(number.span, expected=wanted, got=str(number.value)))
        return to_int(number, U64)
    known = number.range
    if known is not None and known[0] >= 0 and known[1] <= room:
        return to_int(number, U64)
    # A negative one is a large one, and out of range too.
    return InRange(U64, number.span, typed.Cast(U64, number.span, number), room + 1)


def _is_aligned(index: Expr, kind: DataType, there: DataType) -> bool:
    starts = 8 if there.size >= 8 or isinstance(there, Chars) else there.align
    return isinstance(index, Literal) and not int(index.value) % kind.align and kind.align <= starts
