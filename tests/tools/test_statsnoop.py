"""statsnoop on a known workload: seven calls, of which two fail."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from tests.tools.children import COMM, traced

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

ENOENT = 2
STATX = 0xFFF  # STATX_BASIC_STATS and what came with it


def asks(folder: Path) -> list[list[object]]:
    """Ask about seven files; returns fd and error of each, and its path."""
    rows: list[list[object]] = []
    there, missing = f"{folder}/there", f"{folder}/missing"
    for ask in (os.stat, os.lstat):
        ask(there)
        with pytest.raises(FileNotFoundError):
            ask(missing)
        rows += [[0, 0, there], [-1, ENOENT, missing]]
    os.statvfs(there)
    rows.append([0, 0, there])
    here = os.open(folder, os.O_PATH)
    os.stat("there", dir_fd=here)
    rows.append([0, 0, "there"])
    room = ctypes.create_string_buffer(256)
    assert ctypes.CDLL(None).statx(here, b"there", 0, STATX, room) == 0
    rows.append([0, 0, "there"])
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "there").write_bytes(b"")
    return tmp_path


def lines_of(pid: int, rows: list[list[object]]) -> list[str]:
    return [f"{pid:<6} {COMM:<16} {fd:>4} {error:>3} {path}" for fd, error, path in rows]


def test_every_call_is_a_line(folder: Path) -> None:
    pid, rows, done = traced(lambda: asks(folder), "statsnoop", "-p")
    head, *lines = done.out.splitlines()
    assert head == "PID    COMM               FD ERR PATH"
    assert lines == lines_of(pid, rows)


@pytest.mark.thorough
def test_failed_calls_with_time(folder: Path) -> None:
    pid, rows, done = traced(lambda: asks(folder), "statsnoop", "-p", "-xt")
    _, *lines = done.out.splitlines()
    times, rest = zip(*(line.split(maxsplit=1) for line in lines), strict=True)
    assert list(rest) == lines_of(pid, [row for row in rows if row[1]])
    assert 0 < float(times[0]) < float(times[1]) < 300


def test_names_of_the_calls(folder: Path) -> None:
    _, _, done = traced(lambda: asks(folder), "statsnoop", "-p", "-s")
    names = [line.split()[4] for line in done.out.splitlines()[1:]]
    assert names[4:5] + names[6:] == ["statfs", "statx"]
    # Which call the C library makes of stat() is its choice.
    assert {*names[:4], names[5]} <= {"stat", "lstat", "fstatat", "statx"}
