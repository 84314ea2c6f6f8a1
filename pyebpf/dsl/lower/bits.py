"""Writing bit-fields: the other bits of the word stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, Value
from pyebpf.ir.types import Pointer
from pyebpf.spec.bitfields import word_of
from pyebpf.spec.types import Int

if TYPE_CHECKING:
    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.spec.types import Field


def write_bits(low: Expressions, record: Value, field: Field, value: Value) -> None:
    """Write a number to a bit-field of the record at an address: its low bits."""
    build, word = low.build, word_of(field)
    kind = Int(word.size * 8)
    assert isinstance(record.type, Pointer)
    to = Pointer(record.type.space, kind)
    place = build.add(nodes.Member(to, build.span, record, word.offset))
    mask = word.mask << word.shift
    others = build.binary(
        BinaryOp.AND, build.load(place, kind), build.const(kind.high & ~mask, kind)
    )
    number = build.convert(value, kind)
    if word.shift:
        number = build.binary(BinaryOp.SHL, number, build.const(word.shift, kind))
    bits = build.binary(BinaryOp.AND, number, build.const(mask, kind))
    build.store(place, build.binary(BinaryOp.OR, others, bits))
