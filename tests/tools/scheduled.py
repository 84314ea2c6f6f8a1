"""Work that loses its CPU known times: the kernel counts that too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.programs import Done, histogram_counts
from tests.tools.children import followed, waiting

SLEEPS, SLEEP_S = 23, 0.02


class Seen(NamedTuple):
    """A child that was traced.

    Attributes:
        pid: its number.
        returned: what its work returned.
        lost: how often it lost its CPU; one more if its end was not counted yet.
        done: what the tool left.
    """

    pid: int
    returned: Any
    lost: int
    done: Done

    @property
    def counted(self) -> int:
        """How many values the histograms have."""
        return sum(histogram_counts(self.done.out))


def traced_as(work: Callable[[], Any], tool: str, *flags: str, begins: str = "ing ") -> Seen:
    """Trace a child's work with a tool that takes its number after ``-p``.

    Args:
        work: what the child does.
        tool: its name.
        flags: of the tool.
        begins: what it prints when it traces; nothing if it prints nothing, and has one link.
    """
    with waiting(work) as child:
        pid = child.pid
        returned, done = followed(child, tool, "-p", *flags, begins=begins)
        return Seen(pid, returned, child.lost, done)


def sleeping(tool: str, *flags: str, begins: str = "Tracing") -> Seen:
    """Trace a child that sleeps 23 times."""
    found = traced_as(sleeps, tool, *flags, begins=begins)
    assert found.lost >= SLEEPS
    return found


def sleeps() -> None:
    """Sleep 23 times."""
    for _ in range(SLEEPS):
        time.sleep(SLEEP_S)


def spins(seconds: float) -> None:
    """Keep a CPU busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def on_first_cpu(seconds: float) -> None:
    """Keep the first CPU busy."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    spins(seconds)


def shares() -> int:
    """Share the first CPU with a child, whose number is returned."""
    other = os.fork()
    if not other:
        on_first_cpu(0.4)
        os._exit(0)
    on_first_cpu(0.3)
    os.waitpid(other, 0)
    return other
