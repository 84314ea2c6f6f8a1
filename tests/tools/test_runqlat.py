"""runqlat on a child that sleeps 23 times: it waits for a CPU as often as it gets one."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.programs import run
from tests.tools.children import COMM, as_json
from tests.tools.scheduled import SLEEPS, Seen, sleeping, sleeps

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = "runqlat"


def check(seen: Seen) -> None:
    """It is woken to begin, and waits once for each time that it loses its CPU; but for the end."""
    assert seen.counted - seen.lost in (0, 1)


def test_every_wait_is_counted_once() -> None:
    seen = sleeping(TOOL, begins="Tracing run queue latency")
    assert "     usecs               : count     distribution\n" in seen.done.out
    check(seen)


@pytest.mark.thorough
@pytest.mark.parametrize("flag", ["-P", "-L"])
def test_by_process_and_thread(flag: str) -> None:
    seen = sleeping(TOOL, flag, "-m")
    section = {"-P": "pid", "-L": "tid"}[flag]
    sections = re.findall(r"^(\w+) = (.*)$", seen.done.out, re.MULTILINE)
    assert sections == [(section, f"{seen.pid} {COMM}")]
    assert "     msecs               : count     distribution\n" in seen.done.out
    check(seen)


def test_by_namespace() -> None:
    seen = sleeping(TOOL, "--pidnss")
    number = Path("/proc/self/ns/pid").stat().st_ino
    assert re.findall(r"^pidns = (.*)$", seen.done.out, re.MULTILINE) == [str(number)]
    check(seen)


@pytest.mark.thorough
def test_json_with_average() -> None:
    (found,) = as_json(sleeps, TOOL, 3, "-p", "-e")
    assert found["val_type"] == "usecs"
    assert sum(row["count"] for row in found["data"]) >= SLEEPS


@pytest.mark.thorough
def test_one_section_at_a_time() -> None:
    done = run("-m", f"pyebpf.tools.{TOOL}", "-PL", "-p", str(os.getpid()))
    assert (done.code, done.out) == (2, "")
    assert "can only use -P or -L" in done.err
