"""offcputime on a child that is blocked in a known call for a known time."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.programs import run
from tests.tools.children import COMM, as_json
from tests.tools.scheduled import Seen, traced_as

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = "offcputime"
TIMES, SLEEP_S = 5, 0.05


def blocks() -> int:
    """Be blocked for a quarter of a second; returns how long it took, in microseconds."""
    began = time.monotonic_ns()
    for _ in range(TIMES):
        time.sleep(SLEEP_S)
    return (time.monotonic_ns() - began) // 1000


class Block(NamedTuple):
    """What is printed of one stack."""

    lines: list[str]
    process: str
    count: int


def blocks_of(text: str) -> Iterator[Block]:
    for one in re.findall(r"((?:    .*\n)+)", text):
        *lines, process, count = (line.strip() for line in one.splitlines())
        yield Block(lines, process, int(count))


def check(found: Seen, slept_us: int) -> None:
    """As long as the child slept, and no longer than it took."""
    assert TIMES * SLEEP_S * 1e6 <= slept_us <= found.returned


def test_time_and_stack_of_a_child_that_sleeps() -> None:
    found = traced_as(blocks, TOOL, "-d")
    head = f"Tracing off-CPU time (us) of PIDs {found.pid} by user + kernel stack"
    assert found.done.out.startswith(head)
    *_, longest = blocks_of(found.done.out)
    kernel, user = longest.lines[: longest.lines.index("--")], longest.lines[-1]
    assert "do_nanosleep" in kernel
    assert kernel[0] in ("__schedule", "schedule")
    assert user != "--"
    assert re.fullmatch(rf"- +{COMM} \({found.pid}\)", longest.process)
    check(found, longest.count)


@pytest.mark.thorough
def test_folded() -> None:
    found = traced_as(blocks, TOOL, "-f", "-K", begins="")
    slept = [line for line in found.done.out.splitlines() if "do_nanosleep" in line]
    assert len(slept) == 1
    assert slept[0].startswith(f"{COMM};")
    check(found, int(slept[0].split()[-1]))


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flags", "is_there"),
    [
        (("--state", "1"), True),
        (("--state", "2"), False),
        (("-M", "40000"), False),
        (("-m", "40000"), True),
        (("-U",), False),
    ],
)
def test_what_is_left_out(flags: tuple[str, ...], is_there: bool) -> None:
    found = traced_as(blocks, TOOL, "-f", *flags, begins="")
    assert ("do_nanosleep" in found.done.out) is is_there


@pytest.mark.thorough
def test_offsets_and_json() -> None:
    found = traced_as(blocks, TOOL, "-s")
    assert re.search(r"^    do_nanosleep\+0x[0-9a-f]+$", found.done.out, re.MULTILINE)
    rows = as_json(blocks, TOOL, 1, "-t", "-m", "40000")
    (row,) = (row for row in rows if "do_nanosleep" in row["kernel"])
    assert row["us"] >= TIMES * SLEEP_S * 1e6
    assert row["process"].startswith(f"{COMM} (")


@pytest.mark.thorough
@pytest.mark.parametrize(
    "flags", [("-u", "-k"), ("-U", "-K"), ("-f", "-s"), ("-k", "-U"), ("1", "2")]
)
def test_wrong_command_lines(flags: tuple[str, ...]) -> None:
    done = run("-m", f"pyebpf.tools.{TOOL}", *flags)
    assert (done.code, done.out) == (2, "")
    assert "usage: offcputime [options] [duration]" in done.err
