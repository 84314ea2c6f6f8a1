"""Ranges and widths of arithmetic: what is claimed of a result holds for every operand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.dsl.check.arith import SYMBOLS, fold, holding, operation_type, result_range
from pyebpf.ir.nodes import BinaryOp
from pyebpf.spec.types import I64, U64

ends = st.one_of(
    st.integers(I64.low, U64.high), st.integers(-40, 40), st.sampled_from([I64.low, U64.high])
)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[tuple[int, int], int]:
    low, high = sorted((draw(ends), draw(ends)))
    return (low, high), draw(st.integers(low, high))


@given(st.sampled_from(list(BinaryOp)), ranges(), ranges())
def test_a_result_is_in_its_range(
    op: BinaryOp, left: tuple[tuple[int, int], int], right: tuple[tuple[int, int], int]
) -> None:
    (known_left, a), (known_right, b) = left, right
    if op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and b == 0:
        return
    if op in (BinaryOp.SHL, BinaryOp.SHR) and not 0 <= b <= 64:
        return
    low, high = result_range(op, known_left, known_right)
    assert low <= fold(op, a, b) <= high


@given(st.sampled_from(list(BinaryOp)), ranges(), ranges())
def test_the_type_holds_operands_and_result_unless_it_wraps(
    op: BinaryOp, left: tuple[tuple[int, int], int], right: tuple[tuple[int, int], int]
) -> None:
    kind, known = operation_type(op, left[0], right[0])
    assert kind in (I64, U64)
    assert kind.low <= known[0] <= known[1] <= kind.high
    if known != (kind.low, kind.high) and op not in (BinaryOp.SHL, BinaryOp.SHR):
        for low, high in (left[0], right[0]):
            assert kind.low <= low <= high <= kind.high


@pytest.mark.parametrize(
    ("known", "prefer_unsigned", "kind"),
    [
        ((0, 5), False, I64),
        ((0, 5), True, U64),
        ((-1, 5), True, I64),
        ((0, U64.high), False, U64),
        ((-1, U64.high), True, None),
        ((I64.low, I64.high), False, I64),
        ((I64.low - 1, 0), False, None),
        ((0, U64.high + 1), True, None),
    ],
)
def test_the_type_that_holds_a_range(
    known: tuple[int, int], prefer_unsigned: bool, kind: object
) -> None:
    assert holding(known, prefer_unsigned=prefer_unsigned) == kind


def test_every_operator_has_its_sign() -> None:
    assert set(SYMBOLS) == set(BinaryOp)
    for op, text in SYMBOLS.items():
        assert fold(op, -7, 2) == eval(f"-7 {text} 2")
