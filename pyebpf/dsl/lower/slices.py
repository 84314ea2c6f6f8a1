"""Parts of texts. A text is UTF-8; a byte that belongs to no character counts as one, as in Python.

A character has up to four bytes, so where the third one begins is known only when the program
runs. Texts are short, and a walk over one is written out, byte by byte: no old verifier has trouble
with that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_text
from pyebpf.dsl.lower.text import next_if, text_byte
from pyebpf.dsl.types import Chars, Pointer
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, CompareOp
from pyebpf.ir.types import U8, U32, VOID

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.ir.nodes import Block, Slot, Value

#: The first byte of a character of more bytes.
_FIRST_LEAD = 0xC2

#: Bytes after the first → the mask and value of its bits in a big-endian word of four bytes, and
#: the ranges that the word may be in: no overlong forms, no surrogates, nothing past U+10FFFF.
_FORMS = (
    (1, 0xE0C00000, 0xC0800000, ((0xC2800000, 0xDFFFFFFF),)),
    (2, 0xF0C0C000, 0xE0808000, ((0xE0A00000, 0xED9FFFFF), (0xEE000000, 0xEFFFFFFF))),
    (3, 0xF8C0C0C0, 0xF0808080, ((0xF0900000, 0xF48FFFFF),)),
)
_HALF_LEAD = 0xDC00  # a stray byte is this surrogate plus the byte


def _length(expr: typed.Expr) -> int:
    assert isinstance(expr.type, Chars)
    return expr.type.length


def _word(low: Expressions, text: Value, size: int, at: int) -> Value:
    """Return the four bytes from a place on, the first one highest; 0 for those past the end."""
    word: Value = low.build.const(0, U32)
    for step in range(min(4, size - at)):
        byte = low.build.convert(text_byte(low, text, at + step), U32)
        moved = low.build.binary(BinaryOp.SHL, byte, low.build.const(24 - 8 * step, U32))
        word = low.build.binary(BinaryOp.OR, word, moved)
    return word


def _by_form(low: Expressions, word: Value, then: Callable[[int], Block]) -> None:
    """Do something for the form of the character that a word begins with, and go on elsewhere.

    The form is the number of bytes after the first; 0 also for a byte that begins none.
    """
    build = low.build
    for more, mask, wanted, ranges in _FORMS:
        other, found = build.new_block("other"), build.new_block("form")
        bits = build.binary(BinaryOp.AND, word, build.const(mask, U32))
        next_if(low, build.compare(CompareOp.EQ, bits, build.const(wanted, U32)), other)
        for least, most in ranges:
            outside = build.new_block("outside")
            not_less = build.compare(CompareOp.GE, word, build.const(least, U32))
            next_if(low, not_less, outside)
            not_more = build.compare(CompareOp.LE, word, build.const(most, U32))
            build.branch(not_more, found, outside)
            build.start(outside)
        build.jump(other)
        build.start(found)
        build.jump(then(more))
        build.start(other)
    build.jump(then(0))


class _Walk:
    """A walk over the characters of a text: ``count`` of them end before the place.

    Each byte has a block for a character that begins there, so nothing but the count is carried
    along: the verifier would follow every value of what else there was.
    """

    def __init__(self, low: Expressions, text: Value, size: int) -> None:
        self.low, self.text, self.size = low, text, size
        self.count: Slot = low.build.slot("count", U32)
        self.end = low.build.new_block("end")
        low.build.write(self.count, low.build.const(0, U32))

    def run(self, until: int, begin: Callable[[int], None], each: Callable[[int], None]) -> None:
        """Walk over what begins before ``until``; a NUL ends it. ``end`` is the block then.

        ``begin`` is called where a character may begin, ``each`` for the bytes of one.
        """
        build = self.low.build
        starts = [build.new_block("character") for _ in range(until)]
        starts += [self.end] * 4
        build.jump(starts[0])
        for at in range(until):
            build.start(starts[at])
            byte = text_byte(self.low, self.text, at)
            not_nul = build.compare(CompareOp.NE, byte, build.const(0, U8))
            next_if(self.low, not_nul, self.end)
            begin(at)
            self.low.advance(self.count)
            each(at)
            lead = build.compare(CompareOp.GE, byte, build.const(_FIRST_LEAD, U8))
            next_if(self.low, lead, starts[at + 1])
            self._longer(at, starts, each)
        build.start(self.end)

    def _longer(self, at: int, starts: list[Block], each: Callable[[int], None]) -> None:
        word = _word(self.low, self.text, self.size, at)

        def pass_by(more: int) -> Block:
            for step in range(1, more + 1):
                each(at + step)
            return starts[at + 1 + more]

        _by_form(self.low, word, pass_by)


def _text_length(low: Expressions, expr: typed_text.TextLength) -> Value:
    text = low.memory(expr.text)
    low.build.span = expr.span
    walk = _Walk(low, text, _length(expr.text))
    walk.run(walk.size, lambda _: None, lambda _: None)
    return low.build.read(walk.count)


def _up_to(low: Expressions, expr: typed_text.TextUpTo, pointer: Value) -> None:
    text = low.memory(expr.text)
    low.build.span = expr.span
    low.build.add(nodes.Fill(VOID, expr.span, pointer, _length(expr)))
    walk = _Walk(low, text, _length(expr.text))
    until = min(walk.size, 4 * expr.count)
    most = low.build.const(expr.count, U32)

    def begin(_: int) -> None:
        have = low.build.read(walk.count)
        next_if(low, low.build.compare(CompareOp.LT, have, most), walk.end)

    def each(at: int) -> None:
        assert isinstance(pointer.type, Pointer)
        byte = text_byte(low, text, at)
        kind = Pointer(pointer.type.space, U8)
        low.build.store(low.build.add(nodes.Member(kind, expr.span, pointer, at)), byte)

    walk.run(until, begin, each)


def _from(low: Expressions, expr: typed_text.TextFrom, pointer: Value) -> None:
    text, build = low.memory(expr.text), low.build
    build.span = expr.span
    size, room = _length(expr.text), _length(expr)
    build.add(nodes.Fill(VOID, expr.span, pointer, room))
    walk = _Walk(low, text, size)

    def begin(at: int) -> None:
        if at < expr.count:
            return
        copy, go = build.new_block("copy"), build.new_block("go")
        here = build.compare(CompareOp.EQ, build.read(walk.count), build.const(expr.count, U32))
        build.branch(here, copy, go)
        build.start(copy)
        assert isinstance(text.type, Pointer)
        kind = Pointer(text.type.space)
        rest = build.add(nodes.Member(kind, expr.span, text, at))
        build.add(nodes.Copy(VOID, expr.span, pointer, rest, size - at))
        build.jump(walk.end)
        build.start(go)

    walk.run(min(size, 4 * expr.count + 1), begin, lambda _: None)


def _first_word(low: Expressions, text: Value, size: int) -> Value:
    empty = low.build.compare(CompareOp.EQ, text_byte(low, text, 0), low.build.const(0, U8))
    low.abort_if(empty)
    return _word(low, text, size, 0)


def _first(low: Expressions, expr: typed_text.TextFirst, pointer: Value) -> None:
    text = low.memory(expr.text)
    build = low.build
    build.span = expr.span
    word = _first_word(low, text, _length(expr.text))
    kept = build.slot("character", U32)

    end = build.new_block("end")

    def keep(more: int) -> Block:
        mask = 0xFFFFFFFF & ~((1 << (24 - 8 * more)) - 1)
        build.write(kept, build.binary(BinaryOp.AND, word, build.const(mask, U32)))
        return end

    _by_form(low, word, keep)
    build.start(end)
    assert isinstance(pointer.type, Pointer)
    kind = Pointer(pointer.type.space, U8)
    for at in range(4):
        moved = build.binary(BinaryOp.SHR, build.read(kept), build.const(24 - 8 * at, U32))
        place = build.add(nodes.Member(kind, expr.span, pointer, at))
        build.store(place, build.convert(moved, U8))


def _ord(low: Expressions, expr: typed_text.TextOrd) -> Value:
    text = low.memory(expr.text)
    build = low.build
    build.span = expr.span
    word = _first_word(low, text, _length(expr.text))
    answer = build.slot("ord", U32)
    first = build.binary(BinaryOp.SHR, word, build.const(24, U32))

    end = build.new_block("end")

    def decode(more: int) -> Block:
        lead = build.const(0x7F >> (more + 1), U32)
        value = build.binary(BinaryOp.AND, first, lead)
        for step in range(1, more + 1):
            moved = build.binary(BinaryOp.SHR, word, build.const(24 - 8 * step, U32))
            part = build.binary(BinaryOp.AND, moved, build.const(0x3F, U32))
            value = build.binary(BinaryOp.SHL, value, build.const(6, U32))
            value = build.binary(BinaryOp.OR, value, part)
        if not more:
            value = build.binary(BinaryOp.OR, first, build.const(_HALF_LEAD, U32))
        build.write(answer, value)
        return end

    ascii_, other = build.new_block("ascii"), build.new_block("other")
    build.branch(build.compare(CompareOp.LT, first, build.const(0x80, U32)), ascii_, other)
    build.start(ascii_)
    build.write(answer, first)
    build.jump(end)
    build.start(other)
    _by_form(low, word, decode)
    build.start(end)
    return build.read(answer)


SLICE_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    typed_text.TextLength: _text_length,
    typed_text.TextOrd: _ord,
}

SLICE_WRITERS: dict[type[typed.Expr], Callable[[Expressions, Any, Value], None]] = {
    typed_text.TextUpTo: _up_to,
    typed_text.TextFrom: _from,
    typed_text.TextFirst: _first,
}
