"""killsnoop on a known workload: five calls, of which three fail."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress

import pytest
from pyebpf.tools.killsnoop import signals

from tests.programs import run
from tests.tools.children import COMM, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

NOBODY = 0x3FFFFFFE  # no process can have this number
ESRCH = 3


def kills() -> None:
    """Send nothing to itself, a signal that it ignores, and three to nobody."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    os.kill(os.getpid(), 0)
    os.kill(os.getpid(), signal.SIGUSR1)
    for to, number in ((NOBODY, signal.SIGUSR1), (NOBODY, signal.SIGTERM), (-NOBODY, 0)):
        with suppress(ProcessLookupError):
            os.kill(to, number)


def line(pid: int, number: int, to: int, result: int) -> str:
    return f"{pid:<6} {COMM:<16} {number:<4} {to:<6} {result}"


def test_every_call_is_a_line() -> None:
    pid, _, done = traced(kills, "killsnoop", "-p")
    head, *lines = done.out.splitlines()
    assert head == "TIME      PID    COMM             SIG  TPID   RESULT"
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines)
    assert [line[10:] for line in lines] == [
        line(pid, 0, pid, 0),
        line(pid, signal.SIGUSR1, pid, 0),
        line(pid, signal.SIGUSR1, NOBODY, -ESRCH),
        line(pid, signal.SIGTERM, NOBODY, -ESRCH),
        line(pid, 0, -NOBODY, -ESRCH),
    ]


def test_filters() -> None:
    flags = ("-T", str(NOBODY), "-xs", "9,USR1")
    pid, _, done = traced(kills, "killsnoop", "-p", *flags)
    lines = done.out.splitlines()[1:]
    assert [row[10:] for row in lines] == [line(pid, signal.SIGUSR1, NOBODY, -ESRCH)]


@pytest.mark.thorough
def test_signals_to_a_group() -> None:
    pid, _, done = traced(kills, "killsnoop", "-p", "-T", str(-NOBODY))
    lines = done.out.splitlines()[1:]
    assert [row[10:] for row in lines] == [line(pid, 0, -NOBODY, -ESRCH)]


@pytest.mark.thorough
def test_signals_by_number_and_name() -> None:
    assert signals("1") == 1
    assert signals("9,TERM") == signals("SIGKILL, 15") == 1 << 8 | 1 << 14
    assert signals("64") == 1 << 63
    for text in ("0", "65", "KILLED", "9,"):
        done = run("-m", "pyebpf.tools.killsnoop", "-s", text)
        assert (done.code, done.out) == (2, "")
        assert "is no signal" in done.err
