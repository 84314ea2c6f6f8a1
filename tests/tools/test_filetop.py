"""filetop on a known workload: a row for each file, with exact counts and bytes."""

from __future__ import annotations

import json
import os
import socket
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import run, running
from tests.terminal import at_terminal
from tests.tools.children import COMM, waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

FILETOP = ("-m", "pyebpf.tools.filetop")
#: Reads, writes and their bytes, of which each column begins with another file.
USE = {"a": (9, 2, 9 * 1024, 2 * 512), "b": (3, 4, 3 * 4096, 4 * 1024), "c": (0, 3, 0, 3 * 8192)}


def work(folder: Path) -> None:
    for name, (reads, writes, read, written) in USE.items():
        data = os.open(folder / name, os.O_RDWR | os.O_CREAT)
        os.truncate(data, 1 << 16)
        for _ in range(writes):
            os.write(data, bytes(written // writes))
        for _ in range(reads):
            os.pread(data, read // reads, 0)
    sending, receiving = socket.socketpair()
    with sending, receiving:
        os.write(sending.fileno(), b"1234")


def traced(folder: Path, *flags: str) -> list[dict[str, Any]]:
    with (
        waiting(lambda: work(folder)) as child,
        running(*FILETOP, "-p", str(child.pid), *flags, "600") as program,
    ):
        pid = child.pid
        assert "Tracing" in program.wait_for("Tracing")
        child.go()
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    return parsed(done.out, pid)


def parsed(out: str, pid: int) -> list[dict[str, Any]]:
    _, load, _, head, *lines = out.splitlines()
    assert "loadavg: " in load
    titles = head.split()
    assert titles == ["TID", "COMM", "READS", "WRITES", "R_Kb", "W_Kb", "T", "FILE"]
    found = [dict(zip(titles, line.split(), strict=False)) for line in lines]
    assert {(row["TID"], row["COMM"]) for row in found} <= {(str(pid), COMM)}
    return found


def uses(found: list[dict[str, Any]]) -> dict[str, tuple[int, ...]]:
    columns = ("READS", "WRITES", "R_Kb", "W_Kb")
    return {row["FILE"]: tuple(int(row[column]) for column in columns) for row in found}


KB = {name: (r, w, read // 1024, written // 1024) for name, (r, w, read, written) in USE.items()}


def test_each_file_is_a_row(tmp_path: Path) -> None:
    found = traced(tmp_path)
    assert uses(found) == KB
    assert list(uses(found)) == ["c", "b", "a"]  # by the sum
    assert {row["T"] for row in found} == {"R"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("by", "first"), [("reads", "a"), ("writes", "b"), ("rbytes", "b"), ("wbytes", "c")]
)
def test_orders(tmp_path: Path, by: str, first: str) -> None:
    found = traced(tmp_path, "-s", by, "-r", "2")
    assert (len(found), found[0]["FILE"]) == (2, first)


@pytest.mark.thorough
def test_one_direction_in_one_directory_is_enough(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    def both() -> None:
        work(tmp_path)
        work(tmp_path / "other")

    reads = counted(both, "--read-only", "-d", str(tmp_path))
    assert reads == {name: (use[0], 0) for name, use in USE.items() if use[0]}
    writes = counted(lambda: work(tmp_path), "--write-only", "-d", str(tmp_path / "other"))
    assert writes == {}


def counted(work: Callable[[], None], *flags: str) -> dict[str, tuple[int, int]]:
    """Return reads and writes of each file, from JSON."""
    with (
        waiting(work) as child,
        running(*FILETOP, "-p", str(child.pid), "-j", *flags, "600") as program,
    ):
        program.wait_for_links(4)
        child.go()
        done = program.interrupt()
    assert (done.code, done.err) == (0, "")
    found = [json.loads(line) for line in done.out.splitlines()]
    return {row["file"]: (row["reads"], row["writes"]) for row in found}


@pytest.mark.thorough
def test_sockets_and_pipes_too(tmp_path: Path) -> None:
    found = traced(tmp_path, "-a")  # the child tells by a pipe what it returns
    assert sorted(row["T"] for row in found) == ["O", "R", "R", "R", "S"]


@pytest.mark.thorough
def test_help_and_wrong_command_lines() -> None:
    done = run(*FILETOP, "--help")
    assert (done.code, done.err) == (0, "")
    for word in (
        "-a, --all-files", "-C, --noclear", "-r, --maxrows", "-s, --sort", "-p, --pid",
        "--read-only", "--write-only", "-d, --directory", "interval", "count",
    ):  # fmt: skip
        assert word in done.out
    for words, said in {
        ("-s", "size"): "-s: 'size' is no order; there are all, reads, writes, rbytes, wbytes",
        ("-d", "/nowhere"): "-d: '/nowhere': No such file or directory",
        ("--read-only", "--write-only"): "can only use --read-only or --write-only",
    }.items():
        done = run(*FILETOP, *words)
        assert (done.code, done.out) == (2, "")
        assert said in done.err


@pytest.mark.thorough
def test_a_screen_at_a_terminal_is_sorted_by_keys(tmp_path: Path) -> None:
    with (
        waiting(lambda: work(tmp_path)) as child,
        at_terminal(*FILETOP, "-p", str(child.pid), "2") as terminal,
    ):
        terminal.wait(lambda: "Tracing" in terminal.seen)
        child.go()
        files = lambda lines: [line.split()[-1] for line in lines[3:]]  # noqa: E731
        terminal.screen(lambda lines: files(lines) == ["c", "b", "a"])
        terminal.press("p3")
        assert files(terminal.screen(lambda lines: "sorted: READS " in lines[1])) == ["a", "b", "c"]
        terminal.press("q")
        assert terminal.end() == 0
        assert termios.tcgetattr(terminal.device) == terminal.before
