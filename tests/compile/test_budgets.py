"""No program of a tool grows by accident: its instructions and its stack, beside a table."""

from __future__ import annotations

import pytest

from pyebpf.errors import CompileError, NotSupportedError
from tests.compile import budgets
from tests.compile.budgets import ACCEPT, REMAKE, Size, grown


@pytest.fixture(scope="module")
def table() -> dict[str, list[Size]]:
    """Give the table, if it is of the LLVM that compiles here."""
    version, rows = budgets.read()
    here = budgets.llvm_version()
    if here != version:
        pytest.skip(f"the budgets are of LLVM {version}, which chooses otherwise than LLVM {here}")
    return rows


@pytest.mark.parametrize("name", budgets.tools())
def test_no_program_of_a_tool_has_grown(name: str, table: dict[str, list[Size]]) -> None:
    try:
        now = budgets.sizes(name, budgets.kernel())
    except (CompileError, NotSupportedError, KeyError) as err:
        pytest.fail(f"{name} asks for what tests/data/frozen lacks (then: {REMAKE}):\n{err}")
    wrong = list(grown(table.get(name, ()), now))
    assert not wrong, "\n".join([*wrong, f"if that is as it should be: {ACCEPT}"])


def test_the_table_has_no_tool_that_is_gone(table: dict[str, list[Size]]) -> None:
    assert sorted(table) == budgets.tools(), ACCEPT


OLD = Size("opensnoop", "on_open", 300, 96)


@pytest.mark.parametrize(
    ("instructions", "stack", "said"),
    [
        (306, 104, []),
        (200, 0, []),
        (307, 96, ["opensnoop: on_open has 307 instructions, 300 before"]),
        (300, 105, ["opensnoop: on_open needs 105 bytes of stack, 96 before"]),
    ],
)
def test_what_has_grown_is_named_with_both_numbers(
    instructions: int, stack: int, said: list[str]
) -> None:
    assert list(grown([OLD], [OLD._replace(instructions=instructions, stack=stack)])) == said


def test_a_small_program_may_grow_by_some_instructions() -> None:
    small = OLD._replace(instructions=20)
    assert list(grown([small], [small._replace(instructions=24)])) == []
    assert list(grown([small], [small._replace(instructions=25)])) != []


def test_new_programs_and_those_that_are_gone_are_named() -> None:
    other = OLD._replace(program="on_openat")
    new, gone = grown([OLD], [other])
    assert "on_openat has no budget yet" in new
    assert "on_open is in the table" in gone
