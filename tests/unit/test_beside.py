"""The page of tools beside their peers is what was found, and what is found is read rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.beside.cases import CASES
from tests.beside.contest import Counts
from tests.beside.readers import (
    Reader,
    columns,
    lines,
    numbers,
    queued,
    renamed,
    sections,
    stacks,
    total,
)
from tests.vm import beside

PAGE = Path(__file__).resolve().parents[2] / "docs/beside.md"


def test_the_page_is_what_was_found() -> None:
    assert PAGE.read_text(encoding="utf-8") == beside.written(*beside.kept())


def test_each_tool_is_there_once() -> None:
    tools = [case.tool for case in CASES]
    assert sorted(set(tools)) == sorted(tools)
    assert set(beside.kept()[1]) <= set(tools)


HISTOGRAMS = """
operation = read
     usecs               : count     distribution
         0 -> 1          : 3        |***       |
         2 -> 3          : 40       |**********|
operation = 'open'
     usecs               : count     distribution
         4 -> 7          : 5        |**********|
@us[fs_file_read]:
[8, 16)      2 |@@@@|
[16K, 32K)   1 |@@  |
"""
STACKS = """
    do_sleep
no name for what follows
    -                worker (12)
        1500000

    run
    -                worker (12)
        7

    ffffffff81156424 hrtimer_interrupt
    ffffffff8106ed7a __sysvec_apic_timer_interrupt
    ffffffff81a47c49 sysvec_apic_timer_interrupt
              waker: swapper/0
    -1286975
"""
TABLE = """
NAME     HITS   MISSES
one      1000       20
two         -        -
NAME     HITS   MISSES
one      1400       30
many words  1 2
"""
LENGTHS = """
     runqlen       : count     distribution
        0          : 900      |****|
        2          : 150      |*   |
[0, 1)           999 |@@@@|
[2, 3)            48 |@   |
"""


@pytest.mark.parametrize(
    ("read", "text", "counts"),
    [
        (lines(r"^(\w+) (\d)$"), "a 1\nb 2\na 1\nc\n", {"a 1": 2, "b 2": 1}),
        (renamed(lines(r"^(\w) \d$"), {"b": "B"}), "a 1\nb 2\na 1\n", {"a": 2, "B": 1}),
        (numbers(r"(?P<n>\d+) of (\w+)"), "3 of a, 4 of b, 5 of a", {"a": 8, "b": 4}),
        (numbers(r"(?P<n>\d+) of", "all"), "3 of a, 4 of b", {"all": 7}),
        (total("all"), HISTOGRAMS, {"all": 51}),
        (
            sections(r"^(?:operation = '?|@us\[fs_file_)(\w+)"), HISTOGRAMS,
            {"read": 46, "open": 5},
        ),
        (sections(r"^operation = '?(\w+)", "read"), HISTOGRAMS, {"read": 43}),
        (stacks("do_sleep", "s", 1e6), STACKS, {"s": 2}),
        (stacks("worker", "us", 1), STACKS, {"us": 1_500_007}),
        (stacks("waker", "us", 1), STACKS, {"us": -1_286_975}),
        (columns({"HITS": "h", "MISSES": "m"}, unit=10, of="one"), TABLE, {"h": 240, "m": 5}),
        (queued, LENGTHS, {"seconds with two waiting": 2}),
    ],
)  # fmt: skip
def test_what_is_read(read: Reader, text: str, counts: Counts) -> None:
    assert read(text) == counts
