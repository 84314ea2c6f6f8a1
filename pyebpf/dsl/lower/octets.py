"""Bytes and IP addresses in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_octets
from pyebpf.dsl.lower.text import next_if
from pyebpf.dsl.types import BOOL, Pointer
from pyebpf.ir import nodes
from pyebpf.ir.nodes import CompareOp
from pyebpf.ir.types import VOID
from pyebpf.spec.types import U32, Int, Octets

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.ir.nodes import Value


def _kind(*exprs: typed.Expr) -> Octets:
    """Return the type of one; of several, that which is aligned least."""
    kinds = [expr.type for expr in exprs if isinstance(expr.type, Octets)]
    return min(kinds, key=lambda kind: kind.align)


def _at(low: Expressions, pointer: Value, offset: int, to: Int | None) -> Value:
    assert isinstance(pointer.type, Pointer)
    kind = Pointer(pointer.type.space, to)
    return low.build.add(nodes.Member(kind, low.build.span, pointer, offset))


def _data(low: Expressions, expr: typed_octets.OctetsData, pointer: Value) -> None:
    unit = Int(8 * _kind(expr).align)
    for at in range(0, len(expr.value), unit.size):
        word = int.from_bytes(expr.value[at : at + unit.size], "little")
        low.build.store(_at(low, pointer, at, unit), low.build.const(word, unit))


def _number(low: Expressions, expr: typed_octets.NumberOctets, pointer: Value) -> None:
    value = low.build.convert(low.number(expr.value), U32)
    low.build.store(_at(low, pointer, 0, U32), value)


def _part(low: Expressions, expr: typed_octets.OctetsPart, pointer: Value) -> None:
    source = _at(low, low.memory(expr.value), expr.start, None)
    low.build.add(nodes.Copy(VOID, expr.span, pointer, source, _kind(expr).size))


def _same(low: Expressions, expr: typed_octets.OctetsSame) -> Value:
    build, kind = low.build, _kind(expr.left, expr.right)
    left, unit = low.memory(expr.left), Int(8 * kind.align)
    constant = expr.right.value if isinstance(expr.right, typed_octets.OctetsData) else None
    right = low.memory(expr.right) if constant is None else None
    build.span = expr.span
    equal, end = expr.op is CompareOp.EQ, build.new_block("end")
    answer = build.slot("same", BOOL)
    build.write(answer, build.const(int(not equal), BOOL))
    for at in range(0, kind.size, unit.size):
        other: Value
        if right is not None:
            other = build.load(_at(low, right, at, unit), unit)
        else:
            assert constant is not None
            other = build.const(int.from_bytes(constant[at : at + unit.size], "little"), unit)
        have = build.load(_at(low, left, at, unit), unit)
        next_if(low, build.compare(CompareOp.EQ, have, other), end)
    build.write(answer, build.const(int(equal), BOOL))
    build.jump(end)
    build.start(end)
    return build.read(answer)


OCTETS_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    typed_octets.OctetsSame: _same,
}

OCTETS_WRITERS: dict[type[typed.Expr], Callable[[Expressions, Any, Value], None]] = {
    typed_octets.OctetsData: _data,
    typed_octets.NumberOctets: _number,
    typed_octets.OctetsPart: _part,
}
