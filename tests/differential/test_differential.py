"""Random programs give one result in CPython, in the interpreter and in the kernel.

``PYEBPF_DIFFERENTIAL_COUNT`` and ``PYEBPF_DIFFERENTIAL_SEED`` choose how many, and which. More of
them, and what the kernel says of them: ``python -m tests.differential``, docs/differential.md.
"""

from __future__ import annotations

import os

import pytest

from pyebpf import testing
from pyebpf.targets import host_target
from tests.conftest import kernel_refusal
from tests.differential.generator.head import HEAD, inputs
from tests.differential.model import Model
from tests.differential.running import Difference, check, program
from tests.differential.shrink import shrink

COUNT = int(os.environ.get("PYEBPF_DIFFERENTIAL_COUNT", "2400"))
SEED = int(os.environ.get("PYEBPF_DIFFERENTIAL_SEED", "1"))
#: A wrong result, or a fault of ours; what the compiler or the verifier refuses is only counted.
WRONG = ("interpreter", "kernel", "internal")
PER_TEST, PER_BATCH = 250, 25
#: In the kernel too, but for one in seven, which the verifier may follow for many seconds.
IN_KERNEL = not kernel_refusal()


def _parts(start: int, end: int) -> list[range]:
    return [range(first, min(first + PER_TEST, end)) for first in range(start, end, PER_TEST)]


def _wrong(seeds: range) -> list[Difference]:
    target = host_target() if IN_KERNEL else testing.target()
    found: list[Difference] = []
    for start in range(0, len(seeds), PER_BATCH):
        batch = [program(seed) for seed in seeds[start : start + PER_BATCH]]
        found += check(batch, target, kernel=IN_KERNEL, cases=4, deep=False)
    return [one for one in found if one.kind in WRONG]


def _shown(found: list[Difference]) -> str:
    return "\n\n".join(f"seed {one.program.seed}\n{one.program.text}\n{one.said}" for one in found)


@pytest.mark.parametrize("seeds", _parts(SEED, SEED + COUNT), ids=str)
def test_the_interpreter_and_the_kernel_give_what_python_gives(seeds: range) -> None:
    found = _wrong(seeds)
    assert not found, _shown(found)


def test_a_seed_gives_one_program() -> None:
    assert program(7) == program(7)
    assert program(7).text != program(8).text
    assert list(inputs(7, 3)) == list(inputs(7, 3))
    assert "def f1(" in program(1).text
    compile(HEAD + program(7).text, "program", "exec")


def test_the_model_wraps_where_a_width_is_declared() -> None:
    text = "def f(a: u8, b: i64) -> i16:\n    x: u8 = a + b\n    x += 1\n    return x * 256\n"
    assert Model(text, "f").run((255, 1))["result"] == 256
    assert Model("def f(a: i64) -> i64:\n    return 1 // a\n", "f").run((0,))["result"] is None


def test_the_model_has_one_place_for_two_names() -> None:
    text = """
def f(a: u8) -> i64:
    sheet = Sheet(count=a)
    row = sheet.rows[-1]
    row.n = 70000
    row.text = "0123456789"
    sheet.kind.halves[1] = -1
    sheets[0] = sheet
    row.n = 5
    sheet.marks[0] = 128
    return sheet.marks[0] * 1000 + sheet.rows[2].n
"""
    left = Model(text, "f").run((300,))
    assert left["result"] == (-128 * 1000 + 5) % (1 << 64)
    (count, kind, rows, marks) = left["sheets"][0]
    assert count == 44
    assert kind == (0xFFFFFFFF << 32, (0, 0xFFFFFFFF), 0)
    assert rows == ((0, ""), (0, ""), (70000, "012345678"))
    assert marks == (0, 0, 0, 0, 0)


def test_a_difference_is_shrunk() -> None:
    text = "def f(a: u8) -> i64:\n    x = 1\n    if a:\n        y = 2\n    return 5 // 0\n"
    item = program(1)._replace(text=text)
    small = shrink(item, lambda made: "5 // 0" in made.text)
    assert small.text.split() == ["def", "f(a:", "u8)", "->", "i64:", "return", "5", "//", "0"]
