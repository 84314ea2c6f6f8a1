"""fileslower on a known workload: each read and write once, pipes only if they are asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.programs import run
from tests.tools.children import COMM, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

WRITES, READS = 7, 5
EBADF = 9
OF_FILE = [*[("W", 300)] * WRITES, *[("R", 4)] * READS, ("R", 20), ("R", -EBADF)]
OF_PIPE = [("W", 1), ("R", 1)]


def work(folder: Path) -> None:
    path = str(folder / "data")
    data, only = os.open(path, os.O_RDWR | os.O_CREAT), os.open(path, os.O_WRONLY)
    for _ in range(WRITES):
        os.write(data, bytes(300))
    os.lseek(data, 0, os.SEEK_SET)
    for _ in range(READS):
        os.read(data, 4)
    os.pread(data, 20, 2)
    with pytest.raises(OSError, match=f"Errno {EBADF}"):
        os.read(only, 1)
    reading, writing = os.pipe()
    os.write(writing, b"x")
    os.read(reading, 1)


def rows_of(out: str) -> list[list[str]]:
    first, head, *lines = out.splitlines()
    assert first == "Tracing sync reads and writes"
    assert head == "TIME(s)  COMM           TID     D BYTES   LAT(ms) FILENAME"
    return [line.split(maxsplit=6) for line in lines]


def test_each_transfer_is_a_line(tmp_path: Path) -> None:
    pid, _, done = traced(lambda: work(tmp_path), "fileslower", "-p", "0")
    found = rows_of(done.out)
    assert [(row[3], int(row[4])) for row in found] == OF_FILE
    assert {(row[1], row[2], row[6]) for row in found} == {(COMM, str(pid), "data")}
    times = [float(row[0]) for row in found]
    assert times == sorted(times)
    assert all(0 <= float(row[5]) <= times[-1] * 1e3 for row in found)


@pytest.mark.thorough
def test_pipes_too(tmp_path: Path) -> None:
    _, _, done = traced(lambda: work(tmp_path), "fileslower", "-p", "-a", "0")
    # The child is told by a pipe to begin, and tells by another what it returns.
    found = [(row[3], int(row[4])) for row in rows_of(done.out)]
    assert found[-len(OF_FILE + OF_PIPE) - 1 :] == [*OF_FILE, *OF_PIPE, ("W", len("null"))]


@pytest.mark.thorough
def test_nothing_is_as_slow_as_that(tmp_path: Path) -> None:
    _, _, done = traced(lambda: work(tmp_path), "fileslower", "-p", "600000")
    assert len(done.out.splitlines()) == 2
    assert done.out.startswith("Tracing sync reads and writes slower than 600000 ms\n")


@pytest.mark.thorough
def test_help_names_every_flag_of_bcc() -> None:
    done = run("-m", "pyebpf.tools.fileslower", "--help")
    assert (done.code, done.err) == (0, "")
    for word in ("-p, --pid", "-a, --all-files", "min_ms", "-j, --json", "-d, --duration"):
        assert word in done.out
