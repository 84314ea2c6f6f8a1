"""wakeuptime on a child that another one wakes 23 times, through a pipe."""

from __future__ import annotations

import os
import time

import pytest

from tests.tools.children import COMM
from tests.tools.scheduled import Seen, traced_as

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = "wakeuptime"
TIMES, PAUSE_S = 23, 0.005


def is_woken() -> int:
    """Wait 23 times for what a child writes; returns how long it took, in microseconds."""
    reading, writing = os.pipe()
    other = os.fork()
    if not other:
        for _ in range(TIMES):
            time.sleep(PAUSE_S)
            os.write(writing, b"x")
        os._exit(0)
    began = time.monotonic_ns()
    for _ in range(TIMES):
        os.read(reading, 1)
    took = (time.monotonic_ns() - began) // 1000
    os.waitpid(other, 0)
    return took


def check(found: Seen, slept_us: int) -> None:
    """Most of the pauses, less what it waits for a CPU, and no longer than it took."""
    assert TIMES * PAUSE_S * 1e6 * 0.3 <= slept_us <= found.returned


@pytest.mark.thorough
def test_folded() -> None:
    found = traced_as(is_woken, TOOL, "-f", begins="")
    by_pipe = [line for line in found.done.out.splitlines() if "pipe_write" in line]
    assert all(line.startswith(f"{COMM};") for line in by_pipe)
    assert all(line.rpartition(" ")[0].endswith(f";{COMM}") for line in by_pipe)
    check(found, sum(int(line.split()[-1]) for line in by_pipe))


def test_blocks_say_who_was_woken_and_by_whom() -> None:
    found = traced_as(is_woken, TOOL, "-v", begins="Tracing blocked time (us) by kernel stack")
    blocks = [block for block in found.done.out.split("\n\n") if "pipe_write" in block]
    for block in blocks:
        target, *frames, waker, _ = block.splitlines()
        assert target == f"    target:          {COMM}"
        assert waker == f"    waker:           {COMM}"
        assert all(int(frame.split()[0], 16) > 1 << 63 for frame in frames)
    check(found, sum(int(block.split()[-1]) for block in blocks))
