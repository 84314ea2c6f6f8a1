"""bpflist on a child that holds two maps, two programs, and what attaches them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from pyebpf import (
    Array,
    RawTracepointContext,
    TracepointContext,
    load,
    raw_tracepoint,
    tracepoint,
    u64,
)
from tests.programs import run

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.bpflist")

first = Array[u64](max_entries=3)
second = Array[u64](max_entries=5)


@raw_tracepoint("sys_enter")
def by_link(ctx: RawTracepointContext) -> None:
    first[0] = second[0]


@tracepoint("raw_syscalls:sys_exit")
def by_event(ctx: TracepointContext) -> None:
    first[1] = second[1]


@pytest.fixture
def holder() -> Iterator[int]:
    """Give the number of a process that holds exactly these."""
    ready, say = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(say, 3)
            os.closerange(4, 1 << 16)  # what the tests' process may hold
            with load(by_link, by_event):
                os.write(3, b".")
                signal.pause()
        finally:
            os._exit(1)
    os.close(say)
    assert os.read(ready, 1) == b"."
    os.close(ready)
    yield pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_what_a_process_holds(holder: int) -> None:
    done = run(*TOOL, "-vv")
    assert done.code == 0
    objects, table = done.out.split("\n\n")
    head, *rows = (line.split() for line in table.splitlines())
    assert head == ["PID", "COMM", "TYPE", "COUNT"]
    counts = {row[-2]: int(row[-1]) for row in rows if row[0] == str(holder)}
    assert (counts["prog"], counts["map"], counts["raw_tracepoint"]) == (2, 2, 1)
    # Before Linux 5.15 a perf event alone attaches to a tracepoint.
    assert counts["link"] == 2 or counts["perf_event"] >= 1
    mine = [
        line.split(maxsplit=6) for line in objects.splitlines() if line.startswith(f"{holder} ")
    ]
    assert {"array 3 entries", "array 5 entries"} == {
        f"{row[5]} {row[6].partition(',')[0]}" for row in mine if row[3] == "map"
    }
    assert [row[5] for row in mine if row[3] == "prog"] == ["raw_tracepoint", "tracepoint"]


@pytest.mark.thorough
def test_json_of_what_is_always_counted(holder: int) -> None:
    rows = [json.loads(line) for line in run(*TOOL, "-j").out.splitlines()]
    counts = {row["type"]: row["count"] for row in rows if row["pid"] == holder}
    assert counts == {"prog": 2, "map": 2, "link": counts["link"]}
