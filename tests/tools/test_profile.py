"""profile on a child that keeps a CPU busy with one call of the kernel."""

from __future__ import annotations

import os
import re
import threading
import time

import pytest

from pyebpf.tools import profile
from tests.programs import run
from tests.tools.children import COMM, waiting
from tests.tools.scheduled import traced_as

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = "profile"
HERTZ = 199


def reads(seconds: float = 0.5) -> float:
    """Read zeros for some time; returns how long the kernel was busy with it, in seconds."""
    zero, room = os.open("/dev/zero", os.O_RDONLY), bytearray(1 << 20)
    before, end = os.times().system, time.monotonic() + seconds
    while time.monotonic() < end:
        os.readv(zero, [room])
    return os.times().system - before


def test_a_child_that_reads() -> None:
    found = traced_as(reads, TOOL, "-a", "-F", str(HERTZ), begins="Sampling at 199 Hertz of PID ")
    blocks = [block.splitlines() for block in found.done.out.split("\n\n")[1:] if block.strip()]
    samples = [int(block[-1]) for block in blocks]
    busy = sum(int(block[-1]) for block in blocks if "    do_readv_[k]" in block)
    assert {block[-2] for block in blocks} == {f"    -                {COMM} ({found.pid})"}
    assert samples == sorted(samples)
    assert busy >= 0.5 * sum(samples)
    # As often as the clock ticked while the kernel was busy; a host takes time from its guests.
    assert 0.4 * HERTZ * found.returned <= busy <= 1.5 * HERTZ * found.returned + 2


@pytest.mark.thorough
def test_blocks() -> None:
    found = traced_as(reads, TOOL, "-K", "-d", "-c", "5000000")
    head = f"Sampling at every 5000000 events of PID {found.pid} by kernel stack... Hit Ctrl-C"
    assert found.done.out.startswith(head)
    assert re.search(
        rf"\n    -                {COMM} \({found.pid}\)\n        \d+\n", found.done.out
    )
    assert "\n    do_readv\n" in found.done.out


@pytest.mark.thorough
def test_folded_and_addresses() -> None:
    with waiting(lambda: reads(60)) as child:  # it is ended before
        child.begin()
        done = run("-m", f"pyebpf.tools.{TOOL}", "-f", "-p", str(child.pid), "1")
        assert (done.code, done.err) == (0, "")
        assert all(line.startswith(f"{COMM};") for line in done.out.splitlines())
        assert ";do_readv;" in done.out
        done = run("-m", f"pyebpf.tools.{TOOL}", "-A", "-K", "-L", str(child.pid), "1")
    assert re.search(r"\n    [0-9a-f]{16} do_readv\n", done.out)


@pytest.mark.thorough
@pytest.mark.parametrize("flags", [("-F", "9", "-c", "9"), ("-p", "1", "-L", "1"), ("-F", "0")])
def test_wrong_command_lines(flags: tuple[str, ...]) -> None:
    done = run("-m", f"pyebpf.tools.{TOOL}", *flags)
    assert (done.code, done.out) == (2, "")
    assert "usage: profile [options] [duration]" in done.err


@pytest.mark.thorough
def test_as_a_library() -> None:
    stop = threading.Event()
    worker = threading.Thread(target=lambda: [None for _ in iter(stop.is_set, True)])
    worker.start()
    try:
        # Each sample of a busy thread is a stack of its own. Of a hundred in 16,384 places, two
        # meet in one of four runs; the kernel keeps one of them, and a warning says so.
        room = {"frequency": 99, "stack_storage_size": 1 << 16}
        counts = profile.tool.run(0.3, pid=(os.getpid(),), **room)
    finally:
        stop.set()
        worker.join()
    assert counts.total > 5
    assert all(stack.process.endswith(f"({os.getpid()})") for stack in counts)
    assert counts.flame("samples").svg().startswith("<svg")
