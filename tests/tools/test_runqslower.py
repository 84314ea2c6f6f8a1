"""runqslower on a child that sleeps 23 times, and on one that shares its CPU with another."""

from __future__ import annotations

import pytest

from tests.tools.children import COMM, as_json, traced
from tests.tools.scheduled import SLEEPS, shares, sleeping, sleeps

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = "runqslower"
LIMIT_US = 1_000


def test_without_a_limit_every_wait_is_a_line() -> None:
    seen = sleeping(TOOL, "0", begins="COMM")
    first, head, *lines = seen.done.out.splitlines()
    assert first == "Tracing run queue latency higher than 0 us"
    assert head == "TIME     COMM             TID           LAT(us)"
    assert len(lines) - seen.lost in (0, 1)
    assert {tuple(line.split()[1:3]) for line in lines} == {(COMM, str(seen.pid))}


def test_long_waits_say_who_had_the_cpu() -> None:
    pid, other, done = traced(shares, TOOL, "-t", "-P", str(LIMIT_US))
    _, head, *lines = done.out.splitlines()
    assert head.split() == ["TIME", "COMM", "TID", "LAT(us)", "PREV", "COMM", "PREV", "TID"]
    rows = [line.split() for line in lines]
    assert all(int(row[3]) > LIMIT_US for row in rows)
    assert {row[2] for row in rows} == {str(pid)}
    assert [COMM, str(other)] in [row[4:6] for row in rows]


@pytest.mark.thorough
def test_json() -> None:
    rows = as_json(sleeps, TOOL, 3, "-p", "0")
    assert len(rows) >= SLEEPS
    assert list(rows[0]) == ["time", "comm", "tid", "latency_us"]
