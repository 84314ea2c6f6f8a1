"""Calls of plain functions: arguments are evaluated in the order in which they are written."""

from __future__ import annotations

import pytest

from pyebpf import Array, raw_tracepoint, u8, u64
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

cells = Array[u64](max_entries=4)


def next_number(weight: u64) -> u64:
    cells[0] += 1
    return cells[0] * weight


def weighted(a: u64, b: u64, *, c: u64 = 9) -> u64:
    return a * 100 + b * 10 + c


@raw_tracepoint("sys_enter")
def out_of_order() -> None:
    cells[1] = weighted(c=next_number(1), b=next_number(1), a=next_number(1))
    small: u8
    small = 300
    cells[2] = small


def test_arguments_are_evaluated_in_the_order_of_the_call() -> None:
    with loaded(out_of_order) as session:
        fire(session, out_of_order)
        assert session[cells].view().tolist() == [3, 321, 300 & 0xFF, 0]
