"""Pointers as values: what they point to, casts, and own data behind them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.check.bits import of_word, word_member
from pyebpf.dsl.check.convert import need_number, need_value, to_bool, to_int
from pyebpf.dsl.check.number import arithmetic
from pyebpf.dsl.faults import Fault, Mismatch, UnknownType
from pyebpf.dsl.typed import Cast, CoreQuestion, Expr, Literal, Swapped
from pyebpf.dsl.typed_kernel import MemoryRead, Offset
from pyebpf.dsl.types import (
    U64,
    Address,
    Array,
    Bool,
    Chars,
    Int,
    KernelRef,
    Octets,
    Pointer,
    Record,
    Space,
    Static,
)
from pyebpf.ir.nodes import BinaryOp, FieldPath
from pyebpf.kernel import KernelType
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.dsl.check.scope import Scope
    from pyebpf.spec.types import DataType, Field

#: Memory that is read by helpers, not by loads.
FAR = (Space.KERNEL, Space.USER)


def type_argument(node: ast.expr, scope: Scope) -> tuple[Any, DataType | None]:
    """Return what an argument names, and the data type that it is.

    Raises:
        Fault: it is no constant expression.
    """
    standing = {**scope.arguments, **scope.flow.constants}
    if isinstance(node, ast.Name) and node.id in standing:
        given = standing[node.id].type
        hint = given.value if isinstance(given, Static) else None
    else:
        try:
            # The text is the user's own expression, in the user's own module.
            hint = eval(ast.unparse(node), dict(scope.names))  # noqa: S307
        except Exception:  # noqa: BLE001 - whatever it is, it names no type
            raise scope.unsupported(node, "this type", "name a type, such as `u64`") from None
    return hint, data_type(hint)


_DATA = "a type, such as `u64`, `Ptr[…]` or a record"


def no_type(node: ast.expr, hint: Any, scope: Scope, expected: str = _DATA) -> Fault:
    """Return the fault of an argument that is no type for data."""
    advice = ""
    if isinstance(hint, KernelType):
        name = hint.kernel_name
        advice = f"read its members: cast(Ptr[{name}], address).…"
    got = ast.unparse(node)
    return Fault(Mismatch(scope.span(node), expected=expected, got=got, advice=advice))


def pointer_type(kind: Address, span: Span, scope: Scope, *, user: bool = False) -> Pointer:
    """Return the type of a pointer that is kept as data.

    Raises:
        Fault: the target has no type of that name.
    """
    space = Space.USER if user or kind.user else Space.KERNEL
    if kind.to is not None:
        return Pointer(space, kind.to)
    if not kind.struct:
        return Pointer(space)
    kernel = scope.unit.kernel
    found = kernel.find(kind.struct)
    if found is None:
        near = kernel.similar(kind.struct)
        close = f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""
        raise Fault(UnknownType(span, name=kind.struct, close=close))
    return kernel.pointer(found.id, space)


def as_pointer(expr: Expr, scope: Scope) -> Expr:
    """Return an address that was kept as data as the pointer that it is; others as they are."""
    if isinstance(expr.type, Address):
        return Cast(pointer_type(expr.type, expr.span, scope), expr.span, expr)
    return expr


def cast_to(hint: Any, kind: DataType | None, value: Expr, node: ast.Call, scope: Scope) -> Expr:
    """Check ``cast(kind, value)``."""
    span = scope.span(node)
    need_value(value)
    if isinstance(kind, Int):
        return to_int(need_number(value), kind)
    if isinstance(kind, Bool):
        return to_bool(need_number(value))
    if isinstance(kind, Address):
        have = value.type
        user = isinstance(have, Pointer) and have.space is Space.USER
        made = pointer_type(kind, scope.span(node.args[0]), scope, user=user)
        return Cast(made, span, value if isinstance(have, Pointer) else _address(value))
    if isinstance(kind, Record) and not kind.is_tuple:
        place, advice = scope.span(node.args[0]), f"write cast(Ptr[{kind.name}], …)"
        expected = "a number or a pointer, such as `u64` or `Ptr[…]`"
        raise Fault(Mismatch(place, expected=expected, got=kind.name, advice=advice))
    raise no_type(node.args[0], hint, scope)


def _address(value: Expr) -> Expr:
    return to_int(need_number(value), U64)


def far_record(kind: Any) -> Record | None:
    """Return the record of our own that a pointer into foreign memory points to."""
    if isinstance(kind, Pointer) and kind.space in FAR and isinstance(kind.to, Record):
        return kind.to
    return None


def far_field(base: Expr, field: Field, span: Span, scope: Scope) -> Expr:
    """Return a member of a record in foreign memory, read."""
    if field.bits:
        kind, member = word_member(field)
        word = far_value(base, Literal(U64, span, member.offset), kind, span, scope)
        return of_word(field, word)
    amount = Literal(U64, span, field.offset)
    if field.big:
        return Swapped(field.type, span, far_value(base, amount, field.type, span, scope))
    return far_value(base, amount, field.type, span, scope)


def far_value(base: Expr, amount: Expr, kind: DataType, span: Span, scope: Scope) -> Expr:
    """Return what lies ``amount`` bytes behind a pointer into foreign memory."""
    assert isinstance(base.type, Pointer)
    space = base.type.space
    place = Offset(Pointer(space, kind), span, base, amount)
    if isinstance(kind, Octets):
        return MemoryRead(kind, span, space, place)
    if isinstance(kind, (Record, Array)):
        return place
    if isinstance(kind, Address):
        held = pointer_type(kind, span, scope, user=space is Space.USER)
        return MemoryRead(held, span, space, place)
    assert isinstance(kind, (Int, Bool, Chars))
    return MemoryRead(kind, span, space, place)


def pointer_element(base: Expr, index: Expr, span: Span, scope: Scope) -> Expr | None:
    """Return ``pointer[index]``; None if what it points to has no size."""
    assert isinstance(base.type, Pointer)
    to = base.type.to
    if base.type.space not in (*FAR, Space.BTF) or to is None:
        return None
    number = need_number(index)
    if isinstance(to, KernelRef):
        return _kernel_element(base, number, to, span, scope)
    if isinstance(to, Array):
        _check_bound(number, to.length)
        to = to.element
    amount = arithmetic(BinaryOp.MUL, number, Literal(U64, span, to.size), span)
    return far_value(base, amount, to, span, scope)


def _check_bound(index: Expr, length: int) -> None:
    known = index.range
    if known is None or known[0] < 0 or known[1] >= length:
        raise Fault(
            Mismatch(
                index.span,
                expected=f"an index from 0 to {length - 1}",
                got="a number that may be another",
                advice="test it before, or mask it",
            )
        )


def _kernel_element(
    base: Expr, index: Expr, to: KernelRef, span: Span, scope: Scope
) -> Expr | None:
    kernel = scope.unit.kernel
    assert isinstance(base.type, Pointer)
    space = Space.USER if base.type.space is Space.USER else Space.KERNEL
    plain = Cast(Pointer(space, to), span, base)
    kind = kernel.value(to.id, space)
    if kernel.has_members(to):
        from_core = core_number(CoreKind.TYPE_SIZE, FieldPath(to, ()), span)
        amount = arithmetic(BinaryOp.MUL, index, from_core, span)
        return Offset(Pointer(space, to), span, plain, amount)
    if not isinstance(kind, (Int, Bool, Pointer)):
        return None
    amount = arithmetic(BinaryOp.MUL, index, Literal(U64, span, kernel.size(to)), span)
    return MemoryRead(kind, span, space, Offset(plain.type, span, plain, amount))


def core_number(kind: CoreKind, path: FieldPath, span: Span) -> Expr:
    """Return a number about a type that the loader fills in."""
    return CoreQuestion(Int(32), span, kind, path)
