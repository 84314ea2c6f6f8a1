"""The tools for file systems on known workloads: each operation once, with its file and place."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyebpf import load, rows
from pyebpf.cli.filesystems import Operation, min_ns, operations
from pyebpf.lib.filesystems import OPEN, SYNC, WRITE
from pyebpf.lib.filters import only_pid
from pyebpf.tools import ext4slower
from tests.mounts import mounted
from tests.programs import Done, histogram_counts, run, running
from tests.tools.children import COMM, waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

WRITES, READS = 7, 5
NAME = 'b,"c"'
#: What the slower tools say of the workload: the operation, what it gave, its offset, the file.
OPERATIONS = [
    ("O", 0, 0, "data"),
    *(("W", 3000, 3000 * number, "data") for number in range(WRITES)),
    ("W", 10, 50_000, "data"),
    ("S", 0, 0, "data"),
    *(("R", 4096, 4096 * number, "data") for number in range(READS)),
    ("R", 100, 20, "data"),
    ("R", 30, 49_980, "data"),
    ("R", 0, 50_010, "data"),
    ("O", 0, 0, "data"),
    ("W", 3, 50_010, "data"),
    ("S", 0, 0, "data"),
    ("O", 0, 0, NAME),
    ("W", 1, 0, NAME),
]
#: Where functions cannot be entered it is more: system calls.
LINKS = 8
CSV_TITLES = [
    "ENDTIME_us", "TASK", "PID", "TYPE", "BYTES", "OFFSET_b", "LATENCY_us", "FILE",
]  # fmt: skip
HEAD = "TIME     COMM           PID     T BYTES   OFF_KB   LAT(ms) FILENAME"
WORDS = {"R": "read", "W": "write", "O": "open", "S": "fsync"}
COUNTS = dict(Counter(WORDS[operation] for operation, *_ in OPERATIONS))


def work(root: Path) -> None:
    path = str(root / "data")
    data = os.open(path, os.O_RDWR | os.O_CREAT)
    for _ in range(WRITES):
        os.write(data, bytes(3000))
    os.pwrite(data, bytes(10), 50_000)
    os.fsync(data)
    os.lseek(data, 0, os.SEEK_SET)
    for _ in range(READS):
        os.read(data, 4096)
    os.pread(data, 100, 20)
    os.preadv(data, [bytearray(4096)], 49_980)
    os.pread(data, 100, 50_010)
    end = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(end, b"abc")
    os.fdatasync(end)
    other = os.open(str(root / NAME), os.O_WRONLY | os.O_CREAT)
    os.write(other, b"d")
    for opened in (data, end, other):
        os.close(opened)


class Disk(NamedTuple):
    """A file system of ours."""

    kind: str
    root: Path

    def trace(self, tool: str, *flags: str) -> tuple[int, Done]:
        """Trace the workload of a child with a tool until Ctrl-C; returns the child's number."""
        with waiting(lambda: work(self.root)) as child:
            pid = child.pid
            words = ("-m", f"pyebpf.tools.{self.kind}{tool}", "-p", str(pid), *flags)
            with running(*words) as program:
                begin = program.wait_for("ENDTIME" if "-j" in flags else "Tracing")
                work(self.root)  # by somebody else
                for name in ("data", NAME):
                    (self.root / name).unlink()
                child.go()
                done = program.interrupt()
        assert (done.code, done.err) == (0, "")
        return pid, done._replace(out=begin + done.out)


@pytest.fixture(params=["ext4", "xfs", "btrfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with mounted(request.param, tmp_path) as root:
        yield Disk(request.param, root)


def test_each_operation_is_a_line_between_commas(disk: Disk) -> None:
    begin = time.monotonic()
    pid, done = disk.trace("slower", "-j", "0")
    found = list(csv.DictReader(io.StringIO(done.out)))
    assert list(found[0]) == CSV_TITLES
    assert [operation(row) for row in found] == OPERATIONS
    assert {(row["TASK"], row["PID"]) for row in found} == {(COMM, str(pid))}
    ended = [int(row["ENDTIME_us"]) for row in found]
    assert ended == sorted(ended)
    spent = sum(int(row["LATENCY_us"]) for row in found)
    assert 0 < spent <= ended[-1] - begin * 1e6


def operation(row: dict[str, str]) -> tuple[str, int, int, str]:
    return row["TYPE"], int(row["BYTES"]), int(row["OFFSET_b"]), row["FILE"]


@pytest.mark.thorough
def test_a_histogram_of_each_operation(disk: Disk) -> None:
    _, done = disk.trace("dist")
    parts = re.split(r"^operation = (\w+)$", done.out, flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    assert {name: sum(histogram_counts(text)) for name, text in named} == COUNTS
    assert re.search(r"^\d\d:\d\d:\d\d:$", parts[0], re.MULTILINE)
    assert parts[2].split()[0] == "usecs"


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Disk]:
    with mounted("ext4", tmp_path) as root:
        yield Disk("ext4", root)


def test_a_sync_inside_of_a_write_is_one_too(ext4: Disk) -> None:
    """Both are under way in one thread at once."""
    options = {only_pid: os.getpid(), min_ns: 0}
    with load(*ext4slower.tool.probes, options=options) as session:
        if "sys_enter" in session.explain():
            pytest.skip("this kernel lets nobody into functions: system calls stand for them")
        data = os.open(str(ext4.root / "data"), os.O_WRONLY | os.O_CREAT | os.O_SYNC)
        for _ in range(2):
            os.write(data, bytes(10))
        os.close(data)
        found = list(rows(Operation, session[operations].read()))
    assert [(row.what, row.ret, row.offset) for row in found] == [
        (OPEN, 0, 0), (SYNC, 0, 0), (WRITE, 10, 0), (SYNC, 0, 10), (WRITE, 10, 10)
    ]  # fmt: skip
    assert found[1].took_ns < found[2].took_ns


@pytest.mark.thorough
def test_lines_as_a_table(ext4: Disk) -> None:
    pid, done = ext4.trace("slower", "0")
    first, head, *lines = done.out.splitlines()
    assert first == "Tracing ext4 operations"
    assert head == HEAD
    found = [line.split(maxsplit=7) for line in lines]
    assert [(row[3], int(row[4]), int(row[5]), row[7]) for row in found] == [
        (letter, size, offset // 1024, name) for letter, size, offset, name in OPERATIONS
    ]
    assert {(row[1], row[2]) for row in found} == {(COMM, str(pid))}
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", row[0]) for row in found)


@pytest.mark.thorough
def test_json(ext4: Disk) -> None:
    with waiting(lambda: work(ext4.root)) as child:
        words = ("-m", "pyebpf.tools.ext4slower", "-p", str(child.pid), "--json", "0")
        with running(*words) as program:
            program.wait_for_links(LINKS)
            child.go()
            done = program.interrupt()
    found = [json.loads(line) for line in done.out.splitlines()]
    fields = ("type", "bytes", "offset", "file")
    assert [tuple(row[field] for field in fields) for row in found] == OPERATIONS
    assert all(row["latency_ms"] > 0 for row in found)


@pytest.mark.thorough
def test_nothing_is_as_slow_as_that_and_no_histogram_is_empty(ext4: Disk) -> None:
    _, done = ext4.trace("slower", "600000.5")
    assert done.out.splitlines()[1:] == [HEAD]
    assert done.out.startswith("Tracing ext4 operations slower than 600000 ms")


@pytest.mark.thorough
def test_milliseconds_without_the_time(ext4: Disk) -> None:
    _, done = ext4.trace("dist", "-mT")
    assert sum(histogram_counts(done.out)) == len(OPERATIONS)
    assert "msecs" in done.out
    assert not re.search(r"^\d\d:", done.out, re.MULTILINE)


@pytest.mark.thorough
@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_thresholds_that_are_none(text: str) -> None:
    done = run("-m", "pyebpf.tools.ext4slower", "--", text)
    assert (done.code, done.out) == (2, "")
    assert f"min_ms: '{text}' is no number of milliseconds" in done.err


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_help_names_every_flag_of_bcc(kind: str) -> None:
    wanted = {
        "slower": ("-j, --csv", "-p, --pid", "-d, --duration", "min_ms", "--json"),
        "dist": ("-T, --notimestamp", "-m, --milliseconds", "-p, --pid", "interval", "count"),
    }
    for tool, words in wanted.items():
        done = run("-m", f"pyebpf.tools.{kind}{tool}", "--help")
        assert (done.code, done.err) == (0, "")
        assert [word for word in words if word not in done.out] == []
        assert kind in done.out.splitlines()[2]
