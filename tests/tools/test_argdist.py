"""argdist on a child that calls a private copy of zlib, and the kernel, so and so often."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyebpf import Session, load
from pyebpf.runtime.binaries import find_binary
from pyebpf.tools import argdist
from tests.programs import histogram_counts, run, running
from tests.tools.children import COMM, waiting
from tests.turns import Turning, interpreter  # noqa: F401 - one is a fixture

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

#: A count, the values by their names.
Row = tuple[int, dict[str, Any]]
TOOL = ("-m", "pyebpf.tools.argdist")
CALLS, PARENTS, READS, SIZE = 23, 5, 7, 4_321
#: What is summed up in turns: those with an odd number, the others.
ODD, EVEN = b"odd", b"even"
SIGNATURE = "u64 adler, const char *buf, unsigned int len"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Give a copy of zlib that nobody else has."""
    try:
        found = find_binary("z")
    except Exception:  # noqa: BLE001 - whatever is missing
        pytest.skip("needs zlib (Debian package zlib1g)")
    return Path(shutil.copy(found, tmp_path / "libz.so"))


def sums(library: Path) -> Callable[[], None]:
    """Return a work of known calls."""
    adler32 = ctypes.CDLL(str(library)).adler32

    def work() -> None:
        for number in range(CALLS):
            text = ODD if number % 2 else EVEN
            adler32(ctypes.c_ulong(number % 3), text, len(text))
        for _ in range(PARENTS):
            os.getppid()
        zero = os.open("/dev/zero", os.O_RDONLY)
        for _ in range(READS):
            os.read(zero, SIZE)

    return work


def printed(work: Callable[[], None], *flags: str) -> str:
    """Trace a child's work until Ctrl-C, and return what is printed then."""
    with waiting(work) as child, running(*TOOL, "-p", str(child.pid), "-i", "600", *flags) as tool:
        tool.wait_for("Hit Ctrl-C")
        child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return done.out


@contextmanager
def collecting(
    pid: int, *specs: str, drawn: str = "", by_kprobes: bool = False, **chosen: Any
) -> Iterator[Session]:
    """Collect from a process; options are called as in the module."""
    options: dict[Any, Any] = {getattr(argdist, name): value for name, value in chosen.items()}
    options[argdist.only_pid] = pid
    options[argdist.counts] = tuple(each for spec in specs for each in argdist.counted(spec))
    options[argdist.histograms] = argdist.drawn(drawn) if drawn else ()
    probes: Any = argdist.tool.probes_for(options)
    if by_kprobes:  # the second of the ways, which a kernel with the first never takes
        probes = [probe.ways[1][0] for probe in probes]
    with load(*probes, options=options) as session:
        yield session


def collected(work: Callable[[], None], *specs: str, **chosen: Any) -> list[list[Row]]:
    """Return the rows of each table that a child's work makes."""
    with waiting(work) as child, collecting(child.pid, *specs, **chosen) as session:
        child.go()
        session.detach()
        found = [each.to_dict()["data"] for each in argdist.report(session)]
    return [[(row["count"], row.get("values")) for row in rows] for rows in found]


def test_functions_and_tracepoints_are_counted(library: Path) -> None:
    found = printed(
        sums(library),
        "-C", f'p:{library}:adler32({SIGNATURE}):u64,char*:adler,buf:len>3 && STRCMP("even", buf)',
        "-C", f"r:{library}:adler32({SIGNATURE}):u32:$retval:$entry(len) == 3 && $latency > 0#sums",
        "-C", "t:syscalls:sys_enter_getppid()#parents",
        "-C", f"t:syscalls:sys_enter_read():size_t,bool:args->count,args->fd>2:args->count=={SIZE}",
        "-C", f"p:{library}:adler32()",
        "-H", f"p:{library}:adler32({SIGNATURE}):unsigned:len<<adler#bytes",
    )  # fmt: skip
    text, _, drawing = found.partition("     bytes ")
    clock, *lines = text.strip().splitlines()
    assert re.fullmatch(r"\[\d\d:\d\d:\d\d\]", clock)
    head = "\tCOUNT      EVENT"
    odd = [zlib.adler32(ODD, start) for start in range(3)]
    assert sorted(lines[2:5]) == [f"\t4          adler = {start}, buf = even" for start in range(3)]
    assert (lines[0][-24:], lines[1]) == ('len>3 && STRCMP("even", buf)'[-24:], head)
    assert lines[5:7] == ["sums", head]
    counts = [f"\t{3 if start == 2 else 4:<10} $retval = {odd[start]}" for start in range(3)]
    assert sorted(lines[7:10]) == sorted(counts)
    assert lines[10:] == [
        "parents", head, f"\t{PARENTS:<10} total calls",
        f"t:syscalls:sys_enter_read():size_t,bool:args->count,args->fd>2:args->count=={SIZE}",
        head, f"\t{READS:<10} args->count = {SIZE}, args->fd>2 = True",
        f"p:{library}:adler32()", head, f"\t{CALLS:<10} total calls",
    ]  # fmt: skip
    # 3 and 4 bytes, shifted by 0, 1 and 2: 2 to 3, 4 to 7, 8 to 15, 16 to 31.
    assert histogram_counts(drawing) == [0, 4, 8, 7, 4]


@pytest.mark.parametrize("by_kprobes", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_functions_of_the_kernel_are_counted(
    configured: Callable[[str], None], by_kprobes: bool
) -> None:
    """By trampolines where the kernel has them, and by kprobes."""
    configured("kprobe_attach")

    def work() -> None:
        zero = os.open("/dev/zero", os.O_RDONLY)
        for number in range(READS):
            os.read(zero, SIZE + number % 2)

    reads = "vfs_read(struct file *file, char *buf, size_t count)"
    name = "file->f_path.dentry->d_name.name"
    *rows, drawn = collected(
        work,
        f"r::{reads}:size_t,int,char*:$entry(count),$retval,{name}:count >= {SIZE}",
        f'p::{reads}:char*,char*:{name},$COMM:count == {SIZE} && STRCMP("zero", {name})',
        "p::do_sys_openat2(int dfd, const char __user *filename):char*:filename",
        drawn=f"r::vfs_read():s64:$latency:$retval >= {SIZE}",
        by_kprobes=by_kprobes,
    )
    some, more = READS // 2, READS - READS // 2
    key = {"$entry(count)": SIZE, "$retval": SIZE, name: "zero"}
    longer = {**key, "$entry(count)": SIZE + 1, "$retval": SIZE + 1}
    assert rows == [
        [(some, longer), (more, key)],
        [(more, {name: "zero", "$COMM": COMM})],
        [(1, {"filename": "/dev/zero"})],
    ]
    assert sum(count for count, _ in drawn) == READS


@pytest.mark.thorough
def test_probes_of_a_program_are_counted(interpreter: Turning) -> None:  # noqa: F811
    spec = f"u:{interpreter.path}:gc__start():int:arg1:arg1 != 1"
    with collecting(interpreter.pid, spec) as session:
        interpreter.turn(3)
        (table,) = argdist.report(session)
    assert [(row["values"], row["count"]) for row in table.rows] == [
        ({"arg1": 0}, 3), ({"arg1": 2}, 6)
    ]  # fmt: skip


@pytest.mark.thorough
def test_intervals_begin_anew_unless_they_are_to_add_up(library: Path) -> None:
    spec, drawn = f"p:{library}:adler32(u64 a):u64:a", f"r:{library}:adler32():u16:$retval"
    work = sums(library)
    for adds_up, expected in ((False, [CALLS, CALLS, 0]), (True, [CALLS, 2 * CALLS, 2 * CALLS])):
        with collecting(os.getpid(), spec, drawn=drawn, cumulative=adds_up, top=2) as session:
            for turns, whole in zip((1, 1, 0), expected, strict=True):
                for _ in range(turns):
                    work()
                table, histogram = argdist.report(session)
                assert histogram.found.count == whole
                most = [row["count"] for row in table.rows]  # 8 of each turn's 23 calls are alike
                assert most == [8 * whole // CALLS] * (2 if whole else 0)


@pytest.mark.thorough
def test_text_is_cut_and_escaped(library: Path) -> None:
    adler32 = ctypes.CDLL(str(library)).adler32
    spec = f"p:{library}:adler32({SIGNATURE}):char*:buf"
    found = printed(lambda: adler32(1, b"\x1b[31m and so on", 3), "-z", "8", "-C", spec)
    assert "\t1          buf = \\x1b[31m a\n" in found


@pytest.mark.thorough
def test_records_and_constants_of_a_module(library: Path, tmp_path: Path) -> None:
    module = tmp_path / "known_to_argdist.py"
    module.write_text("from pyebpf import record, u16\nMOST = 2\n\n"
                      "@record\nclass pair:\n    first: u16\n    second: u16\n")  # fmt: skip
    adler32 = ctypes.CDLL(str(library)).adler32

    def work() -> None:
        for number in range(CALLS):
            adler32(1, (number % 5).to_bytes(2, "little") + b"\7\0", 4)

    included = (*argdist.module_named("linux/fs.h"), *argdist.module_named(str(module)))
    members = "int,u64:p->first,p->second:p->first>MOST"
    spec = f"p:{library}:adler32(long a, struct pair *p):{members}"
    (rows,) = collected(work, spec, included=included)
    assert sorted((values["p->first"], count) for count, values in rows) == [(3, 4), (4, 4)]
    assert {values["p->second"] for _, values in rows} == {7}


@pytest.mark.thorough
def test_a_command_and_what_it_prints_on_the_way(library: Path) -> None:
    spec = "t:sched:sched_process_exit():char*:args->comm"
    done = run(*TOOL, "-v", "-j", "-T", "5", "-C", spec, "--exec", "true")
    assert done.code == 0
    assert json.loads(done.out)["data"] == [{"count": 1, "values": {"args->comm": "true"}}]
    assert "@tracepoint('sched:sched_process_exit')" in done.err
    listing = run(*TOOL, "--ebpf", "-C", f"p:{library}:adler32()")
    assert (listing.code, listing.err) == (0, "")
    assert "adler32" in listing.out


@pytest.mark.thorough
def test_tables_and_histograms_between_commas_are_alike() -> None:
    def asks() -> None:
        for _ in range(PARENTS):
            os.getppid()

    spec = "t:syscalls:sys_enter_getppid"
    with (
        waiting(asks) as child,
        running(
            *TOOL, "-p", str(child.pid), "--csv", "-i", "600", "--comm", COMM,
            "-C", f"{spec}()#asked", "-H", f"{spec}():int:5#of",
        ) as tool,
    ):  # fmt: skip
        tool.wait_for_links(2)
        child.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    names, *lines = done.out.splitlines()
    assert names == "ts,probe,value,low,high,count"
    rows = [line.partition(",")[2] for line in lines]
    assert rows == [f"asked,,,,{PARENTS}", "of,5,0,1,0", "of,5,2,3,0", f"of,5,4,7,{PARENTS}"]


@pytest.mark.thorough
def test_what_makes_no_sense() -> None:
    for flags, said in {
        (): "say what to collect: -C SPECIFIER or -H SPECIFIER",
        ("-H", "p:c:write()"): "-H: what to draw is missing",
        ("-H", "p:c:write(int fd):int,int:fd,1"): "-H: a histogram is of one expression",
        ("-H", "p:c:puts(char *s):char*:s"): "-H: a histogram is of numbers, not of text",
        ("-C", "p:c:write(int fd):int:df"): "there is no 'df' here; did you mean `fd`?\n"
        "  p:c:write(int fd):int:df\n"
        "                        ^\n",
        ("-z", "0", "-C", "p:c:write()"): "-z: '0' is no size of a text: 1 to 4096 bytes",
        ("-I", "no.py", "-C", "p:c:write()"): "-I: there is no file 'no.py'",
        ("-I", "no_module", "-C", "p:c:write():int:LIMIT"): "there is no module 'no_module'",
    }.items():
        done = run(*TOOL, *flags)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    done = run(*TOOL, "-C", "t:sched:sched_switch():int:args->next_pod")
    assert done.code == 1
    assert "`sched:sched_switch` has no field `next_pod`" in done.err
