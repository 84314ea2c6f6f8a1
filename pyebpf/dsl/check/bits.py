"""Bit-fields of records: their numbers are parts of a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import literal, to_bool, to_data, to_int
from pyebpf.dsl.faults import Fault, WrongCall
from pyebpf.dsl.typed import Arith, Expr, RecordField, Stmt
from pyebpf.dsl.typed_shared import Change
from pyebpf.dsl.types import I64, U64, Bool, Int
from pyebpf.ir.nodes import BinaryOp, RmwOp
from pyebpf.spec.bitfields import limits, word_of
from pyebpf.spec.types import Field

if TYPE_CHECKING:
    from pyebpf.diag import Span


def field_value(place: RecordField) -> Expr:
    """Return the value of a field: itself, or what its bits are in their word."""
    if not place.field.bits:
        return place
    kind, member = word_member(place.field)
    return of_word(place.field, RecordField(kind, place.span, place.base, member))


def word_member(field: Field) -> tuple[Int, Field]:
    """Return the word of a bit-field as a field of the same record, and its type."""
    word = word_of(field)
    kind = Int(word.size * 8)
    return kind, Field(field.name, kind, word.offset)


def of_word(field: Field, word: Expr) -> Expr:
    """Return the value of a bit-field, given the word that it lies in."""
    span, where, known = word.span, word_of(field), limits(field)
    if known[0] < 0:
        unused = 64 - field.bits
        top = _shift(I64, BinaryOp.SHL, to_int(word, I64), unused - where.shift)
        return _shift(I64, BinaryOp.SHR, top, unused, known)
    low = _shift(U64, BinaryOp.SHR, to_int(word, U64), where.shift)
    value: Expr = Arith(U64, span, BinaryOp.AND, low, to_int(literal(where.mask, span), U64), known)
    return to_bool(value) if isinstance(field.type, Bool) else value


def _shift(
    kind: Int, op: BinaryOp, value: Expr, count: int, known: tuple[int, int] | None = None
) -> Expr:
    amount = to_int(literal(count, value.span), kind)
    return Arith(kind, value.span, op, value, amount, known or (kind.low, kind.high))


_SIGNS = {BinaryOp.AND: RmwOp.AND, BinaryOp.OR: RmwOp.OR, BinaryOp.XOR: RmwOp.XOR}


def change_bits(place: RecordField, op: BinaryOp, value: Expr, sign: str, span: Span) -> Stmt:
    """Check ``place op= value`` of a bit-field that others see: an atomic change of its word.

    Raises:
        Fault: the operator would carry into the other fields of the word, or the word is narrow.
    """
    kind = place.field.type
    if op not in _SIGNS or not isinstance(kind, Int) or kind.bits < 32:
        why = "has no atomic form here: other fields are in the same word"
        advice = "take a field of its own, or write `x = x + 1`, which is not atomic"
        if op in _SIGNS:
            why, advice = "needs a number of 32 or 64 bits", "declare the field as u32 = bits(…)"
        raise Fault(WrongCall(span, name=sign, why=why, advice=advice))
    field = place.field
    unit = Int(kind.bits)
    ones = (1 << field.bits) - 1 << field.shift
    bits = _shift(unit, BinaryOp.SHL, to_data(value, unit), field.shift)
    number: Expr = _both(unit, BinaryOp.AND, bits, ones)
    if op is BinaryOp.AND:
        number = _both(unit, BinaryOp.OR, number, unit.high & ~ones)
    word = RecordField(unit, place.span, place.base, Field(field.name, unit, field.offset))
    return Change(span, word, _SIGNS[op], number)


def _both(kind: Int, op: BinaryOp, value: Expr, number: int) -> Expr:
    constant = to_int(literal(number, value.span), kind)
    return Arith(kind, value.span, op, value, constant, (kind.low, kind.high))
