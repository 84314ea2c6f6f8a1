"""Numbers: arithmetic, comparisons, conversions."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from pyebpf.ir import nodes
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.nodes import BinaryOp, CompareOp, Value
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.interp.code import Code, Frame, Operation
    from pyebpf.ir.types import Type

WORD = (1 << 64) - 1


def wrapped(kind: Type, number: int) -> int:
    """Return a number as a register of the type holds it: pointers as addresses, unsigned."""
    if isinstance(kind, Bool):
        return int(number != 0)
    if isinstance(kind, Int):
        return kind.wrap(number)
    return number & WORD


def wrapper(kind: Type) -> tuple[int, int]:
    """Return what to add and the mask, so that ``((x + add) & mask) - add`` wraps ``x``."""
    if isinstance(kind, Int):
        return (1 << (kind.bits - 1) if kind.signed else 0), (1 << kind.bits) - 1
    return 0, WORD


_PLAIN: dict[BinaryOp, Callable[[int, int], int]] = {
    BinaryOp.ADD: operator.add,
    BinaryOp.SUB: operator.sub,
    BinaryOp.MUL: operator.mul,
    BinaryOp.AND: operator.and_,
    BinaryOp.OR: operator.or_,
    BinaryOp.XOR: operator.xor,
}


def binary(code: Code, instr: nodes.Binary) -> Operation:
    """Make an arithmetic operation."""
    left, right, to = code.place(instr.left), code.place(instr.right), code.place(instr)
    half, mask = wrapper(instr.type)
    compute = _PLAIN.get(instr.op) or _RARE[instr.op](instr)

    def signed(r: Frame) -> None:
        r[to] = ((compute(r[left], r[right]) + half) & mask) - half

    def unsigned(r: Frame) -> None:
        r[to] = compute(r[left], r[right]) & mask

    return signed if half else unsigned


def _division(instr: nodes.Binary) -> Callable[[int, int], int]:
    compute = int.__floordiv__ if instr.op is BinaryOp.FLOORDIV else int.__mod__

    def divide(left: int, right: int) -> int:
        if right == 0:
            raise ProbeFault("division by zero, which the compiler should have tested", instr.span)
        return compute(left, right)

    return divide


def _shift(instr: nodes.Binary) -> Callable[[int, int], int]:
    bits = instr.type.size * 8
    if instr.op is BinaryOp.SHL:
        return lambda left, right: left << right if 0 <= right < bits else 0
    return lambda left, right: left >> (right if 0 <= right < bits else bits)


_RARE = {
    BinaryOp.FLOORDIV: _division,
    BinaryOp.MOD: _division,
    BinaryOp.SHL: _shift,
    BinaryOp.SHR: _shift,
}
_COMPARE: dict[CompareOp, Callable[[int, int], bool]] = {
    CompareOp.EQ: operator.eq,
    CompareOp.NE: operator.ne,
    CompareOp.LT: operator.lt,
    CompareOp.LE: operator.le,
    CompareOp.GT: operator.gt,
    CompareOp.GE: operator.ge,
}


def compare(code: Code, instr: nodes.Compare) -> Operation:
    """Make a comparison."""
    left, right, to = code.place(instr.left), code.place(instr.right), code.place(instr)
    test = _COMPARE[instr.op]

    def do(r: Frame) -> None:
        r[to] = 1 if test(r[left], r[right]) else 0

    return do


def negation(code: Code, instr: nodes.Not) -> Operation:
    """Make a logical negation."""
    value, to = code.place(instr.value), code.place(instr)

    def do(r: Frame) -> None:
        r[to] = 0 if r[value] else 1

    return do


def opaque(code: Code, instr: nodes.Opaque | nodes.Bounded) -> Operation:
    """Make a value that is what it is."""
    value, to = code.place(instr.value), code.place(instr)

    def do(r: Frame) -> None:
        r[to] = r[value]

    return do


def swap(code: Code, instr: nodes.Swap) -> Operation:
    """Make an exchange of bytes."""
    value, to, kind = code.place(instr.value), code.place(instr), instr.type
    size = kind.size
    mask = (1 << size * 8) - 1

    def do(r: Frame) -> None:
        number = int.from_bytes((r[value] & mask).to_bytes(size, "little"), "big")
        r[to] = wrapped(kind, number)

    return do


def select(code: Code, instr: nodes.Select) -> Operation:
    """Make a choice."""
    test, to = code.place(instr.condition), code.place(instr)
    then, other = code.place(instr.then), code.place(instr.other)

    def do(r: Frame) -> None:
        r[to] = r[then] if r[test] else r[other]

    return do


def convert(code: Code, instr: nodes.Convert) -> Operation:
    """Make a conversion."""
    value, to = code.place(instr.value), code.place(instr)
    half, mask = wrapper(instr.type)
    if isinstance(instr.type, Bool):

        def truth(r: Frame) -> None:
            r[to] = 1 if r[value] else 0

        return truth

    def do(r: Frame) -> None:
        r[to] = ((r[value] + half) & mask) - half

    return do


NUMBERS: dict[type[Value], Callable[[Code, Any], Operation]] = {
    nodes.Binary: binary,
    nodes.Compare: compare,
    nodes.Not: negation,
    nodes.Swap: swap,
    nodes.Opaque: opaque,
    nodes.Bounded: opaque,
    nodes.Select: select,
    nodes.Convert: convert,
}
