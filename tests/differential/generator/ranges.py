"""What values an expression can have: the least and the greatest of each operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

I64_LOW, I64_HIGH, U64_HIGH = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
WIDTHS = {
    **{f"u{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
    **{f"i{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
}
#: Of a value whose type the compiler chooses: it is only compared and masked.
UNKNOWN = (I64_LOW, U64_HIGH)


class Num(NamedTuple):
    """An expression and the least and greatest value that it can have."""

    text: str
    low: int
    high: int


def fits(*nums: tuple[int, int]) -> bool:
    """Tell whether one 64-bit type holds all of these."""
    low, high = min(n[0] for n in nums), max(n[1] for n in nums)
    return (low >= I64_LOW and high <= I64_HIGH) or (low >= 0 and high <= U64_HIGH)


def of_bits(*values: int) -> tuple[int, int]:
    """Return what a bitwise operation of numbers up to these can give."""
    top = (1 << max(abs(v) for v in values).bit_length()) - 1
    return (0 if min(values) >= 0 else -top - 1, top)


def _corners(op: Callable[[int, int], int]) -> Callable[[Num, Num], tuple[int, int]]:
    def compute(a: Num, b: Num) -> tuple[int, int]:
        values = [op(x, y) for x in a[1:] for y in b[1:]]
        return min(values), max(values)

    return compute


def _and(a: Num, b: Num) -> tuple[int, int]:
    if a.low >= 0 or b.low >= 0:
        return 0, min(n.high for n in (a, b) if n.low >= 0)
    return of_bits(*a[1:], *b[1:])


def _division(a: Num, b: Num) -> tuple[int, int]:
    most = max(abs(a.low), abs(a.high))
    return (0 if a.low >= 0 and b.low >= 0 else -most), most


RANGES: dict[str, Callable[[Num, Num], tuple[int, int]]] = {
    "+": _corners(lambda a, b: a + b),
    "-": _corners(lambda a, b: a - b),
    "*": _corners(lambda a, b: a * b),
    "&": _and,
    "|": lambda a, b: of_bits(*a[1:], *b[1:]),
    "^": lambda a, b: of_bits(*a[1:], *b[1:]),
    "//": _division,
    "%": lambda _, b: (min(b.low + 1, 0), max(b.high - 1, 0)),
    "<<": _corners(lambda a, b: a << max(b, 0)),
    ">>": _corners(lambda a, b: a >> max(b, 0)),
}
