"""exitsnoop on known workloads: four processes that end in four ways, and two threads."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.tools.children import COMM, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

AGE_S = 0.25


def ends() -> list[int]:
    """Make four processes that end, one after the other; returns their numbers."""
    made = []
    for way in (
        lambda: os._exit(0),
        lambda: os._exit(3),
        lambda: signal.raise_signal(signal.SIGKILL),
        lambda: (time.sleep(AGE_S), os._exit(0)),
    ):
        child = os.fork()
        if not child:
            way()
        os.waitpid(child, 0)
        made.append(child)
    return made


def lines_of(out: str) -> list[tuple[str, ...]]:
    """Return the columns of each line, the age apart at the end."""
    found = []
    for line in out.splitlines()[1:]:
        row = re.fullmatch(r"(.{16}) (\d+) +(\d+) +(\d+) +(\d+\.\d\d) +(.*)", line)
        assert row is not None, line
        comm, pid, ppid, tid, age, code = row.groups()
        found.append((comm.rstrip(), pid, ppid, tid, code, age))
    return found


def test_every_end_is_a_line() -> None:
    pid, made, done = traced(ends, "exitsnoop", "-P")
    assert done.out.startswith("PCOMM            PID     PPID    TID     AGE(s)  EXIT_CODE\n")
    lines = lines_of(done.out)
    assert [line[:5] for line in lines] == [
        (COMM, str(child), str(pid), str(child), code)
        for child, code in zip(made, ("0", "code 3", "signal 9 (KILL)", "0"), strict=True)
    ]
    ages = [float(line[5]) for line in lines]
    assert AGE_S <= ages[3] < 60
    assert sum(ages) < 60


@pytest.mark.thorough
def test_failed_ends_with_label_and_time() -> None:
    _, made, done = traced(ends, "exitsnoop", "-P", "-x", "--utc", "--label", "it")
    head, *lines = done.out.splitlines()
    assert head.startswith("TIME-UTC      LABEL  PCOMM")
    assert len(lines) == 2
    for line, child in zip(lines, made[1:3], strict=True):
        assert re.match(rf"\d\d:\d\d:\d\d\.\d{{3}}  it     {COMM} +{child} ", line)


@pytest.mark.thorough
def test_threads() -> None:
    def threads() -> list[int]:
        made = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: made.append(threading.get_native_id()))
            thread.start()
            thread.join()
            while Path(f"/proc/self/task/{made[-1]}").exists():  # Python says so a little earlier
                time.sleep(0.001)
        return made

    pid, made, done = traced(threads, "exitsnoop", "-p", "--per-thread")
    found = [(line[1], line[3], line[4]) for line in lines_of(done.out)]
    assert found == [(str(pid), str(tid), "0") for tid in (*made, pid)]
