"""stackcount on a child that calls a function by two ways, so and so often."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import load
from pyebpf.lib.filters import only_pid
from pyebpf.lib.stacks import kernel_only
from pyebpf.tools import stackcount
from tests.programs import running
from tests.tools.called import CALLS, OTHERS, PARENTS, calling, library
from tests.tools.children import COMM, waiting

__all__ = ["library"]  # a fixture

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.stackcount")


def counted(work: Callable[[], None], *flags: str) -> str:
    """Trace this process, which stays, until Ctrl-C; return what is printed then."""
    with running(*TOOL, "-p", str(os.getpid()), *flags) as tool:
        if "-f" in flags:
            tool.wait_for_links(1)
        else:
            assert tool.wait_for("Hit Ctrl-C").startswith("Tracing 1 function for ")
        work()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return done.out


def own_name() -> str:
    """Return the name of this process."""
    return Path("/proc/self/comm").read_text(encoding="utf-8").strip()


def blocks_of(text: str) -> list[list[str]]:
    """Return the lines of each block, without the spaces before them."""
    return [[line.strip() for line in block.splitlines()] for block in text.strip().split("\n\n")]


def test_stacks_of_a_process(library: Path) -> None:
    text = counted(calling(library), "-U", "-P", f"{library}:leaf")
    other, one = blocks_of(text)
    for block, way, count in ((other, "by_another_way", OTHERS), (one, "by_one_way", CALLS)):
        assert block[:2] == ["leaf", way]
        assert block[-2:] == [f"{'-':16} {own_name()} ({os.getpid()})", str(count)]


@pytest.mark.thorough
def test_folded_and_with_offsets(library: Path) -> None:
    text = counted(calling(library), "-f", "-U", f"{library}:leaf")
    ends = [line.rpartition("by_")[2] for line in text.splitlines()]
    assert sorted(ends) == [f"another_way;leaf {OTHERS}", f"one_way;leaf {CALLS}"]
    assert f"{own_name()};" not in text
    most = counted(calling(library), "-f", "-U", "--top", "1", f"{library}:leaf")
    assert most.endswith(f"one_way;leaf {CALLS}\n")
    assert len(most.splitlines()) == 1
    text = counted(calling(library), "-s", "-v", "-U", f"{library}:leaf")
    other, one = blocks_of(text)
    assert other[0].endswith(" leaf+0x0")
    assert int(other[0].split()[0], 16) == int(one[0].split()[0], 16) != 0
    assert "by_another_way+0x" in other[1]
    assert [other[-1], one[-1]] == [str(OTHERS), str(CALLS)]


@pytest.mark.thorough
def test_stacks_of_the_kernel(library: Path) -> None:
    text = counted(calling(library), "-K", "t:syscalls:sys_enter_getppid")
    assert sum(int(block[-1]) for block in blocks_of(text)) == PARENTS
    text = counted(calling(library), "-f", "-d", "-P", "t:syscalls:sys_enter_getppid")
    assert sum(int(line.split()[-1]) for line in text.splitlines()) == PARENTS
    assert all(line.startswith(f"{own_name()};") for line in text.splitlines())


@pytest.mark.thorough
def test_intervals_begin_anew(library: Path) -> None:
    work = calling(library)
    flags = ("-p", str(os.getpid()), "-i", "0.2", "-f", "-U", f"{library}:leaf")
    with running(*TOOL, *flags) as tool:
        tool.wait_for_links(1)
        work()
        first = [tool.wait_for("\n"), tool.wait_for("\n")]
        done = tool.interrupt()
    assert sum(int(line.split()[-1]) for line in first) == CALLS + OTHERS
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.thorough
def test_no_call_is_lost_where_intervals_meet() -> None:
    """Reports are made as fast as they can be while a child calls all the time."""
    calls = 800_000

    def work() -> None:
        for _ in range(calls):
            os.getppid()

    with waiting(work) as child:
        options = {only_pid: child.pid, kernel_only: True}
        options[stackcount.pattern] = "t:syscalls:sys_enter_getppid"
        counted = 0
        with load(*stackcount.tool.probes_for(options), options=options) as session:
            child.begin()
            while not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                counted += sum(stack.count for stack in stackcount.report(session))
            session.detach()
            counted += sum(stack.count for stack in stackcount.report(session))
            assert not session.lost()
    assert counted == calls


@pytest.mark.thorough
def test_stacks_without_room_are_reported(library: Path) -> None:
    work = calling(library)
    flags = ("-p", str(os.getpid()), "-U", "--hash-storage-size", "1", f"{library}:leaf")
    with running(*TOOL, *flags) as tool:
        tool.wait_for("Hit Ctrl-C")
        work()
        done = tool.interrupt()
    assert [block[-1] for block in blocks_of(done.out)] == [str(CALLS)]
    assert f"full: {OTHERS} updates were refused" in done.err


def test_functions_of_the_kernel(configured: Callable[[str], None]) -> None:
    configured("kprobe_attach")

    def work() -> None:
        zero = os.open("/dev/zero", os.O_RDONLY)
        for _ in range(CALLS):
            os.read(zero, 10)

    with waiting(work) as child, running(*TOOL, "-PKp", str(child.pid), "vfs_rea[d]") as tool:
        pid = child.pid
        tool.wait_for("Hit Ctrl-C")
        child.go()
        done = tool.interrupt()
    blocks = blocks_of(done.out)
    assert sum(int(block[-1]) for block in blocks) == CALLS
    assert all(block[-2] == f"{'-':16} {COMM} ({pid})" for block in blocks)
    assert any("read" in line for block in blocks for line in block[1:-2])


@pytest.mark.thorough
def test_the_time_of_a_report(library: Path) -> None:
    text = counted(calling(library), "-T", "-U", f"{library}:leaf")
    assert re.match(r"\d\d:\d\d:\d\d$", text.strip().splitlines()[0])
    assert f"{CALLS}" in text
