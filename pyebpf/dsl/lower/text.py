"""Comparisons of text: with a constant in steps as wide as is known to be aligned, else by bytes.

A text ends at its NUL, and what is behind that may be anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_text
from pyebpf.dsl.types import BOOL, Chars, Int, Pointer
from pyebpf.ir import nodes
from pyebpf.ir.align import alignment_at, widest_step
from pyebpf.ir.nodes import CompareOp
from pyebpf.ir.types import U8

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.ir.nodes import Block, Value


def text_byte(low: Expressions, text: Value, at: int) -> Value:
    """Return a byte of a text."""
    return _part(low, text, at, U8)


def _part(low: Expressions, text: Value, at: int, kind: Int) -> Value:
    assert isinstance(text.type, Pointer)
    place = nodes.Member(Pointer(text.type.space, kind), low.build.span, text, at)
    return low.build.load(low.build.add(place), kind)


def next_if(low: Expressions, test: Value, other: Block) -> None:
    """Go on if a test holds, else go elsewhere."""
    go = low.build.new_block("next")
    low.build.branch(test, go, other)
    low.build.start(go)


def _begins(low: Expressions, expr: typed_text.TextBegins) -> Value:
    text = low.memory(expr.text)
    low.build.span = expr.span
    answer, end = low.build.slot("same", BOOL), low.build.new_block("end")
    low.build.write(answer, low.build.const(0, BOOL))
    done = 0
    while done < len(expr.data):
        kind = Int(8 * widest_step(len(expr.data) - done, alignment_at(text, done)))
        have = _part(low, text, done, kind)
        wanted = int.from_bytes(expr.data[done : done + kind.size], "little")
        next_if(low, low.build.compare(CompareOp.EQ, have, low.build.const(wanted, kind)), end)
        done += kind.size
    low.build.write(answer, low.build.const(1, BOOL))
    low.build.jump(end)
    low.build.start(end)
    return low.build.read(answer)


def _same(low: Expressions, expr: typed_text.TextSame) -> Value:
    left, right = low.memory(expr.left), low.memory(expr.right)
    low.build.span = expr.span
    sizes = [side.type.length for side in (expr.left, expr.right) if isinstance(side.type, Chars)]
    equal, end = expr.op is CompareOp.EQ, low.build.new_block("end")
    same = low.build.new_block("same")
    answer = low.build.slot("same", BOOL)
    low.build.write(answer, low.build.const(int(not equal), BOOL))
    zero = low.build.const(0, U8)
    for at in range(min(sizes)):
        one, other = text_byte(low, left, at), text_byte(low, right, at)
        next_if(low, low.build.compare(CompareOp.EQ, one, other), end)
        next_if(low, low.build.compare(CompareOp.NE, one, zero), same)
    if sizes[0] != sizes[1]:  # the shorter one is full: the longer one must end there
        longer = left if sizes[0] > sizes[1] else right
        rest = text_byte(low, longer, min(sizes))
        next_if(low, low.build.compare(CompareOp.EQ, rest, zero), end)
    low.build.jump(same)
    low.build.start(same)
    low.build.write(answer, low.build.const(int(equal), BOOL))
    low.build.jump(end)
    low.build.start(end)
    return low.build.read(answer)


def _ends(low: Expressions, expr: typed_text.TextEnds) -> Value:
    text, build = low.memory(expr.text), low.build
    build.span = expr.span
    assert isinstance(expr.text.type, Chars)
    size, length = expr.text.type.length, len(expr.data)
    answer, end, found = build.slot("ends", BOOL), build.new_block("end"), build.new_block("found")
    build.write(answer, build.const(0, BOOL))
    zero = build.const(0, U8)
    for start in range(size - length + 1):
        other = build.new_block("other")
        for at, wanted in enumerate(expr.data, start):
            same = build.compare(CompareOp.EQ, text_byte(low, text, at), build.const(wanted, U8))
            next_if(low, same, other)
        if start + length < size:
            after = text_byte(low, text, start + length)
            next_if(low, build.compare(CompareOp.EQ, after, zero), other)
        build.jump(found)
        build.start(other)
        first = text_byte(low, text, start)
        next_if(low, build.compare(CompareOp.NE, first, zero), end)
    build.jump(end)
    build.start(found)
    build.write(answer, build.const(1, BOOL))
    build.jump(end)
    build.start(end)
    return build.read(answer)


TEXT_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    typed_text.TextBegins: _begins,
    typed_text.TextSame: _same,
    typed_text.TextEnds: _ends,
}
