"""hardirqs, in a machine of its own: what the kernel counts of the interrupts of devices."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from tests.programs import run, running
from tests.vm.native import is_alone

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

alone = pytest.mark.skipif(not is_alone(), reason="looks at all interrupts of a machine")
TOOL = ("-m", "pyebpf.tools.hardirqs")


def numbers() -> dict[str, int]:
    """Return how often each handler was called, as the kernel counts it, where it is alone."""
    head, *lines = Path("/proc/interrupts").read_text(encoding="utf-8").splitlines()
    cpus, found = len(head.split()), {}
    for line in lines:
        number, *words = line.split()
        if number.rstrip(":").isdigit() and "," not in line and len(words) > cpus:
            found[words[-1]] = sum(map(int, words[:cpus]))
    return found


#: Files that nobody has read since the machine was started.
_UNREAD = (path for path in Path("/usr/share").rglob("*") if path.is_file())


def provoke() -> None:
    """Ask the device that the file system is on for something."""
    for path in islice(_UNREAD, 20):
        path.read_bytes()


@alone
def test_as_many_as_the_kernel_counts() -> None:
    before = numbers()
    with running(*TOOL, "-C", "-j") as tool:
        tool.wait_for_links(2)
        first = numbers()
        provoke()
        last = numbers()
        done = tool.interrupt()
    after = numbers()
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    counts = {row["hardirq"]: row["count"] for row in rows}
    assert counts, numbers()
    for name in counts.keys() & after.keys():
        assert last[name] - first[name] <= counts[name] <= after[name] - before.get(name, 0)


@pytest.mark.thorough
@alone
def test_times_and_histograms() -> None:
    with running(*TOOL, "-N") as tool:
        tool.wait_for("Tracing hard irq event time... Hit Ctrl-C to end.")
        provoke()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    _, head, *lines = done.out.splitlines()
    assert head == "HARDIRQ                    TOTAL_nsecs"
    assert all(int(line.split()[-1]) > 0 for line in lines)
    with running(*TOOL, "-d") as tool:
        tool.wait_for("Tracing")
        provoke()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    assert "\nhardirq = " in done.out


def test_dry_run() -> None:
    done = run(*TOOL, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "on_entry, on_exit: compiled, accepted by the verifier" in done.out
