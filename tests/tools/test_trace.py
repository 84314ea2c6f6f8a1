"""trace on a child that calls functions of a private library, and the kernel, so often."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Session, load, rows
from pyebpf.cli.traced import said
from pyebpf.lib.filters import only_pid
from pyebpf.tools import trace
from tests.programs import run, running
from tests.tools.called import Job, functions, library
from tests.tools.children import COMM, waiting
from tests.turns import Turning, interpreter

__all__ = ["interpreter", "library"]  # fixtures

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.trace")
CALLS = 23


def calling(library: Path) -> Callable[[], None]:
    """Return a work of known calls."""
    called = functions(library)
    job = Job(7, 3, b"a job")

    def work() -> None:
        for number in range(CALLS):
            called.work(ctypes.byref(job), b"text %d" % number, ctypes.c_long(-number))
            called.by_one_way(number)

    return work


def printed(work: Callable[[], None], *flags: str) -> tuple[int, list[str]]:
    """Trace a child's work until Ctrl-C; return its number, and the lines with their titles."""
    with waiting(work) as child, running(*TOOL, "-p", str(child.pid), *flags) as tool:
        pid = child.pid
        titles = tool.wait_for("FUNC")
        child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return pid, [titles.rstrip(), *done.out.splitlines()]


def rows_of(session: Session, made: Any) -> Iterator[Any]:
    """Yield what was sent."""
    hits = session[made.hits].read()
    return rows(made.hits.type_arguments()[0], hits)


def test_lines_of_several_specifiers(library: Path) -> None:
    """In the order in which things happened; arguments also at the end of a function."""
    pid, (titles, *lines) = printed(
        calling(library),
        f'{library}:work (arg3 < -1 && arg3 != -4) "%s %ld %5d|", arg2, arg3, $pid',
        f"r:{library}:work (retval in (6, 5)) \"%#lx %d of '%s' %%\", retval, arg3, arg2",
        f"p:{library}:leaf(int n) (n > 20)",
    )
    begin = f"{pid:<7} {pid:<7} {COMM:15} "
    assert titles == f"{'PID':7} {'TID':7} {'COMM':15} {'FUNC':16} -"
    expected = []
    for number in range(CALLS):
        if number > 1 and number != 4:
            expected.append(f"{begin}{'work':16} text {number} {-number} {pid:5}|")
        if 7 - number in (6, 5):
            expected.append(f"{begin}{'work':16} {7 - number:#x} {-number} of 'text {number}' %")
        if number > 20:
            expected.append(f"{begin}{'leaf':16} -")
    assert lines == expected


@pytest.mark.thorough
def test_arguments_at_the_end_of_a_function_that_calls_itself(library: Path) -> None:
    nested = functions(library).nested
    spec = f'r:{library}:nested(int depth, int us) "%d %d %d", depth, retval, us'
    _, (_, *lines) = printed(lambda: nested(4, 10), spec)
    assert [line.split()[4:] for line in lines] == [[str(n), str(n), "10"] for n in range(1, 5)]


@pytest.mark.thorough
def test_members_of_records_and_functions_by_address(library: Path, tmp_path: Path) -> None:
    module = tmp_path / "jobs_to_trace.py"
    module.write_text("from pyebpf import Char, chars, i16, i32, record, u64\n\n\n@record\n"
                      "class job:\n    number: i32\n    kind: i16\n    name: Char = chars(12)\n"
                      "    next: u64\n")  # fmt: skip
    spec = f'{library}:work(struct job *job, u64 text, long size) (size == 0) "%d %hd %s %p %c", '
    spec += "job->number, job->kind, job->name, job->next, 0x41"
    own = f'{library}:work (arg3 == 0) "%U", {ctypes.cast(functions(library).leaf, ctypes.c_void_p).value}'  # noqa: E501
    _, (_, *lines) = printed(calling(library), "-I", str(module), spec, own)
    assert sorted(line.split(maxsplit=4)[4] for line in lines) == ["7 3 a job 0x0 A", "leaf"]


@pytest.mark.thorough
def test_columns_and_filters(library: Path) -> None:
    (cpu, *_) = sorted(os.sched_getaffinity(0))

    def work() -> None:
        os.sched_setaffinity(0, [cpu])
        calling(library)()

    spec = f'{library}:work "%s", arg2'
    pid, (titles, *lines) = printed(work, "-T", "-C", "-f", "text 1", "-n", COMM[:4], spec)
    assert titles.split() == ["TIME", "CPU", "PID", "TID", "COMM", "FUNC", "-"]
    seen = [line.split(maxsplit=6) for line in lines]
    assert [row[6] for row in seen] == ["text 1", *(f"text {n}" for n in range(10, 20))]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", row[0]) for row in seen)
    assert {(*map(int, row[1:4]), row[4]) for row in seen} == {(cpu, pid, pid, COMM)}
    assert len(printed(work, "-n", "nobody", spec)[1]) == 1
    assert len(printed(work, "--uid", str(os.getuid() + 1), spec)[1]) == 1
    times = [line.split()[0] for line in printed(work, "-u", spec)[1][1:]]
    assert all(abs(float(each) - time.time()) < 600 for each in times)
    assert len(printed(work, "-L", "1", spec)[1]) == 1
    assert len(printed(work, "-t", "--uid", str(os.getuid()), spec)[1]) == 1 + CALLS


@pytest.mark.thorough
def test_stacks_of_so_many_lines_as_asked(library: Path) -> None:
    work = calling(library)
    flags = ("-U", "-M", "3", "-p", str(os.getpid()), f"{library}:leaf")
    with running(*TOOL, *flags) as tool:
        tool.wait_for("FUNC")
        work()
        done = tool.end()
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    begins = [at for at, line in enumerate(lines) if not line.startswith(" ")]
    assert len(begins) == 3
    for at in begins:
        assert lines[at].split()[-1] == "leaf"
        assert lines[at + 1].strip() == "leaf+0x0"
        assert lines[at + 2].strip().startswith("by_one_way+0x")


@pytest.mark.thorough
@pytest.mark.parametrize("files", [True, False])
def test_functions_of_processes_that_have_ended(library: Path, files: bool) -> None:
    listed = ("-s", str(library)) if files else ()
    flags = ("-U", "--comm", COMM, *listed, f"{library}:leaf")
    with waiting(calling(library)) as child, running(*TOOL, *flags) as tool:
        tool.wait_for("FUNC")
        tool.send(signal.SIGSTOP)  # nobody looks at the child while it is there
        child.go()
        tool.send(signal.SIGCONT)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    assert done.out.count(" leaf\n") == CALLS
    assert done.out.count("by_one_way+0x") == (CALLS if files else 0)


@pytest.mark.thorough
def test_equal_lines_are_counted(library: Path) -> None:
    spec = f'{library}:work "%d", arg3 % 2'
    pid, (_, *lines) = printed(calling(library), "-A", "-M", "20", "-T", spec)
    begin = f"{pid:<7} {pid:<7} {COMM:15} {'work':16} "
    assert sorted(lines) == sorted([f"{begin}0", "        10", f"{begin}1", "        10"])


@pytest.mark.thorough
def test_json_and_values(library: Path) -> None:
    spec = f'r:{library}:work (retval == 7) "%s", arg2'
    for flag in ("-j", "--csv"):
        with running(*TOOL, flag, "-U", "-p", str(os.getpid()), spec) as tool:
            tool.wait_for_links(2)
            calling(library)()
            done = tool.interrupt()
        assert (done.code, done.err) == (0, "")
        *_, line = done.out.splitlines()
        if flag == "-j":
            row = json.loads(line)
            assert {"func", "message", "pid", "stack", "tid"} <= row.keys()
            assert (row["func"], row["message"], row["pid"]) == ("work", "text 0", os.getpid())
            assert isinstance(row["stack"], list)
        else:
            assert ",work,text 0," in line


@pytest.mark.thorough
def test_tracepoints_and_system_calls(library: Path) -> None:
    def work() -> None:
        calling(library)()
        for number in range(CALLS):
            os.close(os.open("/dev/zero" if number % 2 else "/dev/null", os.O_RDONLY))

    spec = 't:syscalls:sys_enter_openat (STRCMP("/dev/zero", args->filename)) "%s %d", '
    _, (_, *lines) = printed(work, spec + "args->filename, args->flags & O_WRONLY")
    words = [line.split()[3:] for line in lines]
    assert words == [["sys_enter_openat", "/dev/zero", "0"]] * (CALLS // 2)


@pytest.mark.thorough
def test_a_text_begins_so(library: Path) -> None:
    spec = f'{library}:work (STRCMP("text 2", arg2)) "%s", arg2'
    for flags, expected in ((("-B",), ["2", "20", "21", "22"]), ((), ["2"])):
        _, (_, *lines) = printed(calling(library), *flags, spec)
        assert [line.split()[-1] for line in lines] == expected


@pytest.mark.thorough
def test_probes_of_a_program(interpreter: Turning) -> None:
    text = f'u:{interpreter.path}:gc__start (arg1 == 2) "generation %d", arg1'
    options = {trace.specifiers: trace.specifier(text), only_pid: interpreter.pid}
    with load(*trace.tool.probes_for(options), options=options) as session:
        made = trace.found(session)
        interpreter.turn(3)
        assert [said(made, row) for row in rows_of(session, made)] == ["generation 2"] * 6


@pytest.mark.thorough
def test_a_control_group(library: Path) -> None:
    root = next((p for p in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
                 if Path(p, "cgroup.procs").exists()), None)  # fmt: skip
    if root is None:
        pytest.skip("no control groups of version 2 at their place")
    spec = f"{library}:leaf"
    for flag in ("-c", "--cgroup"):
        assert len(printed(calling(library), flag, root, spec)[1]) == 1 + CALLS


def test_functions_of_the_kernel(configured: Callable[[str], None]) -> None:
    """Arguments by the names that the kernel has for them, by numbers, and of a system call."""
    configured("kprobe_attach")

    def work() -> None:
        for number in range(CALLS):
            os.close(os.open("/dev/zero" if number % 2 else "/dev/null", os.O_RDONLY))
        zero = os.open("/dev/zero", os.O_RDONLY)
        for number in range(CALLS):
            os.read(zero, 1000 + number)

    texts = (
        'vfs_read (count == 1007) "%s %d", file->f_path.dentry->d_name.name, count',
        'r::vfs_read (retval == 1009) "%d %d", retval, count',
        'do_sys_openat2 (STRCMP("/dev/null", filename)) "%s %s", filename, arg2@user',
        'sys_read (arg3 == 1011) "%d", arg3',
    )
    with waiting(work) as child:
        given = tuple(each for text in texts for each in trace.specifier(text))
        options = {trace.specifiers: given, only_pid: child.pid}
        with load(*trace.tool.probes_for(options), options=options) as session:
            made = trace.found(session)
            child.go()
            session.detach()
            found = [said(made, row) for row in rows_of(session, made)]
    opened = ["/dev/null /dev/null"] * (CALLS - CALLS // 2)
    assert found == [*opened, "zero 1007", "1009 1009", "1011"]


@pytest.mark.thorough
def test_what_makes_no_sense() -> None:
    for flags, said_so in {
        (): "say what to trace",
        ("-A", "vfs_read"): "-A needs -M",
        ("-t", "-T", "vfs_read"): "can only use -t or -T",
        ("vfs_*",): "one function at a time",
        ('c:open "%s"',): "the format takes 1 values, and there are 0",
        ('c:open "%y", arg1',): "this is no conversion of the format",
        ('c:open (arg1 "x"',): "a `)` is missing for this",
        ('c:open "%d", argh',): "there is no 'argh' here",
        ("-s", "/no/file", "vfs_read"): "there is no file '/no/file'",
        ("-c", "/no/group", "vfs_read"): "there is no cgroup '/no/group'",
    }.items():
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (2, "")
        assert said_so in done.err
