"""funccount on a child that calls functions of a private library, and the kernel, so often."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import load
from pyebpf.cli import places
from pyebpf.lib.filters import only_pid
from pyebpf.tools import funccount
from tests.programs import run, running
from tests.tools.called import CALLS, OTHERS, PARENTS, READS, calling, library
from tests.tools.children import waiting
from tests.turns import Turning, interpreter

__all__ = ["interpreter", "library"]  # fixtures

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.funccount")


def counted(work: Callable[[], None], *flags: str) -> tuple[str, list[tuple[str, int]]]:
    """Trace a child's work until Ctrl-C; return the header, and the rows below FUNC and COUNT."""
    with waiting(work) as child, running(*TOOL, "-p", str(child.pid), *flags) as tool:
        header = tool.wait_for("Hit Ctrl-C")
        child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    blank, titles, *rows = done.out.splitlines()
    assert (blank, titles.split()) == ("", ["FUNC", "COUNT"])
    return header, [(row.split()[0], int(row.split()[1])) for row in rows]


def test_functions_of_a_library(library: Path) -> None:
    header, rows = counted(calling(library), f"{library}:/leaf|by_/")
    assert header == f'Tracing 3 functions for "{library}:/leaf|by_/"... Hit Ctrl-C to end.\n'
    assert rows == [("by_another_way", OTHERS), ("by_one_way", CALLS), ("leaf", CALLS + OTHERS)]


@pytest.mark.thorough
def test_by_name_and_by_expression(library: Path) -> None:
    work = calling(library)
    assert counted(work, f"{library}:leaf")[1] == [("leaf", CALLS + OTHERS)]
    assert counted(work, f"p:{library}:/by_one_/")[1] == [("by_one_way", CALLS)]
    expression = ("-r", f"{library}:^by_(one|an)")
    assert counted(work, *expression)[1] == [("by_another_way", OTHERS), ("by_one_way", CALLS)]


@pytest.mark.thorough
def test_each_function_by_a_program_of_its_own(library: Path) -> None:
    """As on kernels that have no numbers for attachments."""
    options = {funccount.pattern: f"{library}:by_*"}
    (chosen,) = funccount.tool.probes_for(options)
    assert [len(way) for way in chosen.ways] == [1, 2]  # type: ignore[union-attr]
    with load(*chosen.ways[1], options=options) as session:  # type: ignore[union-attr]
        calling(library)()
        rows = funccount.report(session)
    assert rows == [
        {"func": "by_another_way", "count": OTHERS}, {"func": "by_one_way", "count": CALLS}
    ]  # fmt: skip


@pytest.mark.thorough
def test_tracepoints(library: Path) -> None:
    header, rows = counted(calling(library), "t:syscalls:/sys_enter_getp[pg]id/")
    assert header.startswith("Tracing 2 functions for ")
    assert rows == [("syscalls:sys_enter_getppid", PARENTS)]


def renaming() -> None:
    for _ in range(CALLS):
        Path("/proc/self/comm").write_text("another", encoding="ascii")


RENAMED = "t:task:/task_(rename|newtask)/"


def test_tracepoints_that_programs_get_to_without_perf_events() -> None:
    assert counted(renaming, RENAMED)[1] == [("task:task_rename", CALLS)]


@pytest.mark.thorough
def test_tracepoints_by_perf_events_where_some_have_no_other_way() -> None:
    options = {funccount.pattern: RENAMED, only_pid: os.getpid()}
    (chosen,) = funccount.tool.probes_for(options)
    kinds = [{hook.kind for probe in way for hook in probe.hooks} for way in chosen.ways]  # type: ignore[union-attr]
    assert kinds == [{"raw_tracepoint"}, {"tracepoint"}]
    before = Path("/proc/self/comm").read_text(encoding="ascii").strip()
    with load(*chosen.ways[1], options=options) as session:  # type: ignore[union-attr]
        renaming()
        rows = funccount.report(session)
    Path("/proc/self/comm").write_text(before, encoding="ascii")
    assert rows == [{"func": "task:task_rename", "count": CALLS}]


@pytest.mark.thorough
def test_intervals_begin_anew_and_are_json(library: Path) -> None:
    name = f"{library}:leaf"
    with waiting(calling(library)) as child:
        flags = ("-p", str(child.pid), "-i", "0.2", "-j", "-D", name)
        with running(*TOOL, *flags) as tool:
            tool.wait_for_links(1)
            child.go()
            first = json.loads(tool.wait_for("\n"))
            done = tool.interrupt()
    assert (first["func"], first["count"]) == ("leaf", CALLS + OTHERS)
    assert (done.code, done.out, done.err) == (0, "", "leaf\n")


@pytest.mark.thorough
def test_another_cpu_counts_nothing(library: Path) -> None:
    cpu, *_ = sorted(os.sched_getaffinity(0))

    def work() -> None:
        os.sched_setaffinity(0, [cpu])
        calling(library)()

    assert counted(work, "-c", str(cpu), f"{library}:leaf")[1] == [("leaf", CALLS + OTHERS)]
    assert counted(work, "-c", str(cpu + 1), f"{library}:leaf")[1] == []
    assert counted(work, "--comm", "nobody", f"{library}:leaf")[1] == []


@pytest.mark.thorough
def test_probes_of_a_program(interpreter: Turning) -> None:
    options = {
        funccount.pattern: f"u:{interpreter.path}:gc__*", only_pid: interpreter.pid
    }  # fmt: skip
    with load(*funccount.tool.probes_for(options), options=options) as session:
        interpreter.turn(3)
        rows = funccount.report(session)
    assert rows == [{"func": "gc__done", "count": 9}, {"func": "gc__start", "count": 9}]


@pytest.mark.parametrize(
    "pattern",
    [
        "vfs_rea[d]",
        *(pytest.param(p, marks=pytest.mark.thorough) for p in ("vfs_read", "/vfs_read(v|$)/")),
    ],
)
def test_functions_of_the_kernel(configured: Callable[[str], None], pattern: str) -> None:
    configured("kprobe_attach")

    def work() -> None:
        zero = os.open("/dev/zero", os.O_RDONLY)
        for _ in range(READS):
            os.read(zero, 10)

    with waiting(work) as child:
        options = {funccount.pattern: pattern, only_pid: child.pid}
        with load(*funccount.tool.probes_for(options), options=options) as session:
            child.go()
            session.detach()
            rows = funccount.report(session)
            found = places.wanted(session).names
    assert rows == [{"func": "vfs_read", "count": READS}]
    assert "vfs_read" in found


@pytest.mark.thorough
def test_what_makes_no_sense() -> None:
    for flags, code, said in (
        ((), 2, "say what to look at: vfs_read, 'tcp_*', c:malloc, 't:block:*'"),
        (("r::vfs_read",), 2, "a function is looked at as a whole"),
        (("t::sched_switch",), 2, "the category of the tracepoint is missing here"),
        (("t:sched:no_such_*",), 1, "nothing that can be traced matches 'no_such_*' in 'sched'"),
        (("-r", "c:mem("), 1, "/mem(/ is no regular expression"),
    ):
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (code, ""), done
        assert said in done.err
