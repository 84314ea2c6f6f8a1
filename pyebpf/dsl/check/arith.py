"""Which width an operation is done at, and what is known of its result.

Python's integers have no width; the kernel's do. So every expression carries the range of values
it can have, as far as that is known, and is computed at a 64-bit type that holds the whole range.
Only where no 64-bit type can hold it does a result wrap: unsigned if an operand is ``u64`` and the
result may be positive, else signed.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING

from pyebpf.ir.nodes import BinaryOp
from pyebpf.spec.types import I64, U64, Int

if TYPE_CHECKING:
    from pyebpf.dsl.typed import Range

SYMBOLS = {
    BinaryOp.ADD: "+",
    BinaryOp.SUB: "-",
    BinaryOp.MUL: "*",
    BinaryOp.FLOORDIV: "//",
    BinaryOp.MOD: "%",
    BinaryOp.AND: "&",
    BinaryOp.OR: "|",
    BinaryOp.XOR: "^",
    BinaryOp.SHL: "<<",
    BinaryOp.SHR: ">>",
}

_MAX_SHIFT = 64


def holding(known: Range, *, prefer_unsigned: bool) -> Int | None:
    """Return the 64-bit type that holds a range; None if neither does."""
    signed = I64.low <= known[0] and known[1] <= I64.high
    unsigned = known[0] >= 0 and known[1] <= U64.high
    if unsigned and (prefer_unsigned or not signed):
        return U64
    return I64 if signed else None


def operation_type(op: BinaryOp, left: Range, right: Range) -> tuple[Int, Range]:
    """Return the type at which ``left op right`` is computed, and the range of the result."""
    result = result_range(op, left, right)
    both = (min(left[0], right[0]), max(left[1], right[1]))
    span = (min(both[0], result[0]), max(both[1], result[1]))
    plain = both[0] >= 0 and result[0] >= 0
    # Operands and result must all be exact at the type chosen, shifts' counts aside.
    kind = holding(result if op is BinaryOp.SHL else span, prefer_unsigned=plain)
    if kind is None:
        wraps = U64 if both[1] > I64.high and result[1] > 0 else I64  # ``-n`` is no large number
        return wraps, (wraps.low, wraps.high)
    return kind, result


def result_range(op: BinaryOp, left: Range, right: Range) -> Range:
    """Return a range that holds every ``left op right``."""
    return _RANGES[op](left, right)


def fold(op: BinaryOp, left: int, right: int) -> int:
    """Compute on constants, as Python does. The divisor is not 0 and the shift is small."""
    return _FOLD[op](left, right)


def _corners(op: BinaryOp) -> Callable[[Range, Range], Range]:
    def compute(left: Range, right: Range) -> Range:
        values = [_FOLD[op](a, b) for a, b in product(left, right)]
        return min(values), max(values)

    return compute


def _floordiv(left: Range, right: Range) -> Range:
    if right[0] >= 0:  # by 0 nothing is divided
        values = [a // max(1, b) for a, b in product(left, right)]
        return min(values), max(values)
    most = max(abs(left[0]), abs(left[1]))
    return (-most, most)


def _mod(left: Range, right: Range) -> Range:
    if right[0] > 0:
        return (0, min(right[1] - 1, left[1]) if left[0] >= 0 else right[1] - 1)
    return (min(right[0] + 1, 0), max(right[1] - 1, 0))


def _and(left: Range, right: Range) -> Range:
    if left[0] >= 0 and right[0] >= 0:
        return (0, min(left[1], right[1]))
    if left[0] >= 0 or right[0] >= 0:
        return (0, left[1] if left[0] >= 0 else right[1])
    return _bits(left, right)


def _bits(left: Range, right: Range) -> Range:
    most = max(abs(left[0]), abs(left[1]), abs(right[0]), abs(right[1]))
    top = (1 << most.bit_length()) - 1
    return (0 if left[0] >= 0 and right[0] >= 0 else -top - 1, top)


def _shl(left: Range, right: Range) -> Range:
    counts = [min(max(0, count), _MAX_SHIFT) for count in right]
    values = [a << b for a, b in product(left, counts)]
    return min(values), max(values)


def _shr(left: Range, right: Range) -> Range:
    counts = [min(max(0, count), _MAX_SHIFT) for count in right]
    values = [a >> b for a, b in product(left, counts)]
    return min(values), max(values)


_FOLD: dict[BinaryOp, Callable[[int, int], int]] = {
    BinaryOp.ADD: lambda a, b: a + b,
    BinaryOp.SUB: lambda a, b: a - b,
    BinaryOp.MUL: lambda a, b: a * b,
    BinaryOp.FLOORDIV: lambda a, b: a // b,
    BinaryOp.MOD: lambda a, b: a % b,
    BinaryOp.AND: lambda a, b: a & b,
    BinaryOp.OR: lambda a, b: a | b,
    BinaryOp.XOR: lambda a, b: a ^ b,
    # More than this changes nothing but the time it takes.
    BinaryOp.SHL: lambda a, b: a << min(b, 2 * _MAX_SHIFT),
    BinaryOp.SHR: lambda a, b: a >> min(b, 2 * _MAX_SHIFT),
}

_RANGES: dict[BinaryOp, Callable[[Range, Range], Range]] = {
    BinaryOp.ADD: _corners(BinaryOp.ADD),
    BinaryOp.SUB: _corners(BinaryOp.SUB),
    BinaryOp.MUL: _corners(BinaryOp.MUL),
    BinaryOp.FLOORDIV: _floordiv,
    BinaryOp.MOD: _mod,
    BinaryOp.AND: _and,
    BinaryOp.OR: _bits,
    BinaryOp.XOR: _bits,
    BinaryOp.SHL: _shl,
    BinaryOp.SHR: _shr,
}
