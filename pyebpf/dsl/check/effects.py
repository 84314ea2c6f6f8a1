"""What evaluating an expression does, so that nothing of it is lost, repeated or moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_text
from pyebpf.dsl.typed import Effect, Evaluate, Expr, Literal, Pack, Stmt
from pyebpf.dsl.typed_context import (
    ContextBound,
    ContextField,
    ContextObject,
    ContextText,
    PacketAt,
    PacketCopy,
    PacketLength,
)
from pyebpf.dsl.typed_kernel import After
from pyebpf.dsl.typed_octets import OctetsData
from pyebpf.dsl.types import Array, NoneType, Place, Pointer, Record, Static
from pyebpf.ir.nodes import BinaryOp

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

#: Expressions that do nothing but compute, if their parts do nothing else.
_PURE = (
    Literal, typed.Text, typed.TextData, typed.Object, typed.Read, typed.Helper, typed.Comm,
    typed.CurrentTask, ContextField, ContextText, ContextObject, OctetsData,
    typed.Swapped, ContextBound, PacketAt, PacketCopy, PacketLength,
    typed.KernelRead, typed.KernelPlace, typed.CoreQuestion, typed.MapContains, typed.Cmp,
    typed.Same, typed.Logic, typed.Negation, typed.Truth, typed.IsNone, typed.Choice, typed.Cast,
    typed.Doubted,
    typed.Unwrap, typed.RecordField, typed.EntryKey, typed.EntryText, typed.EntryValue, Pack,
    typed_text.TextUpTo, typed_text.TextFrom, typed_text.TextLength, typed_text.TextBegins,
    typed_text.TextEnds, typed_text.TextSame,
)  # fmt: skip
#: Operators that end the program for some operands.
_MAY_FAIL = (BinaryOp.FLOORDIV, BinaryOp.MOD, BinaryOp.SHL, BinaryOp.SHR)


def has_effects(expr: Expr) -> bool:
    """Tell whether evaluating an expression may do more than compute its value."""
    if isinstance(expr, typed.Arith):
        if expr.op in _MAY_FAIL and not isinstance(expr.right, Literal):
            return True
    elif isinstance(expr, typed.MapGet):
        if expr.remove:
            return True
    elif not isinstance(expr, _PURE):
        return True
    return any(has_effects(part) for part in _parts(expr))


def _parts(expr: Expr) -> list[Expr]:
    values: list[Any] = list(vars(expr).values())
    values += [part for value in values if isinstance(value, tuple) for part in value]
    return [value for value in values if isinstance(value, Expr)]


def after(first: Expr, value: Expr) -> Expr:
    """Return a value whose computing must not drop what ``first`` does."""
    if isinstance(first, Pack):
        for item in reversed(first.items):
            value = after(item, value)
        return value
    if not has_effects(first):
        return value
    done = first.stmt if isinstance(first, Effect) else Evaluate(first.span, first)
    return following([done], value)


def following(done: list[Stmt], value: Expr) -> Expr:
    """Return a value that is computed when something else was done."""
    return After(value.type, value.span, done, value) if done else value


def once(item: Expr, before: list[Expr], scope: Scope) -> Expr:
    """Return what stands for an item that is evaluated now and used later, or more than once.

    What evaluates it is added to ``before``.
    """
    if isinstance(item, Pack):
        parts = tuple(once(part, before, scope) for part in item.items)
        return Pack(item.type, item.span, parts)
    fixed = isinstance(item, (Literal, typed.Text, typed.Object, OctetsData))
    # A record that has a name is that record, not a copy of it.
    named = isinstance(item.type, (Array, Record)) and isinstance(
        item, (typed.Read, typed.RecordField)
    )
    address = isinstance(item.type, Pointer) and isinstance(item, typed.Read)
    if fixed or named or address or isinstance(item.type, (Static, NoneType, Place)):
        return item
    kept, again = scope.keep(item)
    before.append(kept)
    return again
