"""Records that are not needed at the same time, and together are larger than the stack."""

from __future__ import annotations

import pytest

from pyebpf.dsl.compile import compile_probes
from pyebpf.targets import host_target
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

#: Two programs call the function, so that its records cannot go to memory of the CPU.
TEXT = """
from pyebpf import *

@record
class Wide:
    number: u64
    marks: FixedArray[u8] = array(200)

rows = Hash[u32, Wide](max_entries=8)

@noinline
def keep(number: u64) -> u64:
    rows[1] = Wide(number=number)
    if number > 100:
        large = Wide(number=number * 2)
        large.marks[number % 200] = 5
        rows[2] = large
    else:
        small = Wide(number=number * 3)
        small.marks[number] = 6
        rows[3] = small
    total = 0
    for i in range(7):
        if i == number % 7:
            break
        mark = Wide(number=i)
        mark.marks[i] = 9
        rows[4] = mark
        total += mark.number + mark.marks[i]
    return total

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    return keep(ctx.args[0])

@raw_tracepoint("sys_exit")
def other(ctx: RawTracepointContext) -> int:
    return keep(ctx.args[1])
"""


@pytest.mark.parametrize(("number", "kept"), [(1000, 2), (20, 3)])
def test_each_holds_what_was_put_into_it(number: int, kept: int) -> None:
    made = cell(TEXT)
    turns = number % 7
    with loaded(made.probe, made.other) as session:
        assert fire(session, made.probe, number) == sum(range(turns)) + 9 * turns
        rows = session[made.rows]
        assert sorted(rows) == [1, kept, 4]
        assert [rows[key].number for key in (1, kept, 4)] == [number, number * kept, turns - 1]
        set_marks = {at: mark for at, mark in enumerate(rows[kept].marks) if mark}
        assert set_marks == {number % 200: {2: 5, 3: 6}[kept]}
        assert not any(rows[1].marks)
        assert sum(rows[4].marks) == rows[4].marks[turns - 1] == 9


def test_they_are_on_the_stack() -> None:
    made = cell(TEXT)
    compiled = compile_probes((made.probe, made.other), host_target())
    assert not [note for info in compiled.programs for note in info.notes if "memory" in note]
