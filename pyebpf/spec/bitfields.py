"""Fields of a record that are a few bits of a word: where they lie, and their numbers.

A bit-field lies where C's would, on x86-64 and BPF: from the lowest bit up, inside one unit of its
declared type. It is read and written in the narrowest word that holds all of it.
"""

from __future__ import annotations

from pyebpf.plain import Frozen
from pyebpf.spec.types import Array, DataType, Field, Int, Record


class Word(Frozen):
    """The memory of a bit-field: ``size`` bytes at ``offset`` in its record, from bit ``shift``."""

    offset: int
    size: int
    shift: int
    bits: int

    @property
    def mask(self) -> int:
        """The bits of the field, as a number that starts at bit 0."""
        return (1 << self.bits) - 1


def word_of(field: Field) -> Word:
    """Return the narrowest aligned word that a bit-field lies in."""
    start = field.offset * 8 + field.shift
    for size in (1, 2, 4, 8):
        base = start // (size * 8) * size
        if start + field.bits <= (base + size) * 8:
            return Word(base, size, start - base * 8, field.bits)
    raise ValueError(f"{field.name} lies in two words")


def limits(field: Field) -> tuple[int, int]:
    """Return the least and the greatest number that a bit-field holds."""
    if isinstance(field.type, Int) and field.type.signed:
        half = 1 << field.bits - 1
        return -half, half - 1
    return 0, (1 << field.bits) - 1


def insert(data: bytearray, field: Field, number: int) -> None:
    """Write a number, of which the low bits count, to the bytes of a record."""
    word = word_of(field)
    place = slice(word.offset, word.offset + word.size)
    have = int.from_bytes(data[place], "little") & ~(word.mask << word.shift)
    whole = have | (number & word.mask) << word.shift
    data[place] = whole.to_bytes(word.size, "little")


def has_bits(kind: DataType) -> bool:
    """Tell whether a type has bit-fields anywhere in it."""
    if isinstance(kind, Array):
        return has_bits(kind.element)
    fields = kind.fields if isinstance(kind, Record) else ()
    return any(field.bits or has_bits(field.type) for field in fields)
