"""funclatency on a child whose functions take known times, call themselves, and never return."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import load
from pyebpf.lib import filters
from pyebpf.lib.filters import only_pid
from pyebpf.tools import funclatency
from tests.programs import histogram_counts, run, running
from tests.tools.called import functions, library
from tests.tools.children import COMM, called, waiting

__all__ = ["library"]  # a fixture

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.funclatency")
DEPTH, PAUSE_US, CALLS = 5, 3_000, 23


#: Options by what the modules call them.
CHOICES = {**vars(filters), **vars(funclatency)}


def timed(work: Callable[[], Any], pattern: str, **chosen: Any) -> Any:
    """Return what the tool reports of a child's work; options are called as in the module."""
    with waiting(work) as child:
        options = {CHOICES[name]: value for name, value in chosen.items()}
        options |= {funclatency.pattern: pattern, only_pid: child.pid}
        with load(*funclatency.tool.probes_for(options), options=options) as session:
            child.go()
            session.detach()
            assert session.lost() == {}
            return funclatency.report(session)


def test_a_function_that_calls_itself(library: Path) -> None:
    """Each call has its own time: 1, 2, 3, 4 and 5 pauses at least."""
    nested = functions(library).nested

    def work() -> int:
        began = time.monotonic_ns()
        nested(DEPTH, PAUSE_US)
        return (time.monotonic_ns() - began) // 1_000

    with waiting(work) as child:
        flags = ("-p", str(child.pid), "-u", f"{library}:nested")
        with running(*TOOL, *flags) as tool:
            assert tool.wait_for("Hit Ctrl-C").startswith("Tracing 1 function for ")
            took_us = child.go()
            done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    assert "usecs" in done.out
    assert sum(histogram_counts(done.out)) == DEPTH
    average, total, count = map(int, re.findall(r"\d+", done.out.splitlines()[-2]))
    assert (count, average) == (DEPTH, total // DEPTH)
    assert sum(range(1, DEPTH + 1)) * PAUSE_US <= total <= DEPTH * took_us


@pytest.mark.thorough
def test_threads_of_a_name(library: Path) -> None:
    nested = functions(library).nested

    def work() -> None:
        nested(DEPTH, 1)
        with called(b"another-name"):
            nested(DEPTH, 1)

    assert timed(work, f"{library}:nested", only_comm=COMM).count == DEPTH
    assert timed(work, f"{library}:nested", only_comm="another-name").count == DEPTH
    assert timed(work, f"{library}:nested", only_comm="nobody").count == 0


@pytest.mark.thorough
def test_a_call_that_has_begun_is_followed_to_its_end(library: Path) -> None:
    nested = functions(library).nested

    def work() -> None:
        own = Path(f"/proc/self/task/{os.getpid()}/comm")
        renamed = threading.Timer(0.1, own.write_bytes, [b"another-name"])
        renamed.start()
        nested(1, 500_000)
        renamed.join()

    assert timed(work, f"{library}:nested", only_comm=COMM).count == 1
    assert timed(work, f"{library}:nested", only_comm="another-name").count == 0


@pytest.mark.thorough
def test_no_deeper_than_asked(library: Path) -> None:
    nested = functions(library).nested
    found = timed(lambda: nested(DEPTH, 1), f"{library}:nested", level=2)
    assert found.count == 2
    # Of more than 64 in each other the kernel does not see all ends; what it sees is right.
    for depth in (60, 100):
        hist = timed(lambda: nested(depth, 100), f"{library}:nested", microseconds=True)  # noqa: B023
        assert 60 <= hist.count <= 64
        assert hist.total >= sum(range(depth - hist.count + 1, depth + 1)) * 100


def test_calls_without_an_end_spoil_nothing(library: Path) -> None:
    """Every other call of thrower() jumps out; the times of catcher() are right all the same."""
    catcher = functions(library).catcher

    def work() -> None:
        for number in range(CALLS):
            catcher(number)

    found = timed(work, f"{library}:*er", by_function=True)
    counts = {name: hist.count for name, hist in found.items()}
    assert counts == {"catcher": CALLS, "thrower": CALLS - CALLS // 2}


@pytest.mark.thorough
def test_units_and_functions(library: Path) -> None:
    called = functions(library)

    def work() -> None:
        called.nested(1, 20_000)
        for number in range(CALLS):
            called.by_one_way(number)

    both = timed(work, f"{library}:/nested|leaf|by_one/", by_function=True, milliseconds=True)
    assert {name: hist.count for name, hist in both.items()} == {
        "nested": 1, "leaf": CALLS, "by_one_way": CALLS
    }  # fmt: skip
    assert both["nested"].total >= 20
    assert both["leaf"].label() == "msecs"
    assert timed(work, f"{library}:leaf").label() == "nsecs"


@pytest.mark.parametrize(
    "pattern", ["vfs_rea[d]", pytest.param("vfs_read", marks=pytest.mark.thorough)]
)
def test_functions_of_the_kernel(configured: Callable[[str], None], pattern: str) -> None:
    configured("kprobe_attach")

    def work() -> None:
        for _ in range(3):
            reading, writing = os.pipe()
            if not os.fork():
                time.sleep(0.02)
                os.write(writing, b"x")
                os._exit(0)
            os.read(reading, 1)
            os.wait()

    found = timed(work, pattern, by_function=True, milliseconds=True)
    assert list(found) == ["vfs_read"]
    # One that is under way when tracing begins has no begin.
    assert found["vfs_read"].count == 3
    assert found["vfs_read"].total >= 3 * 18


@pytest.mark.thorough
def test_what_makes_no_sense() -> None:
    for flags, said in {
        ("t:sched:sched_switch",): "only functions take time",
        ("-m", "-u", "vfs_read"): "can only use -m or -u",
        ("-l", "0", "vfs_read"): "-l: '0' is no count",
    }.items():
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
