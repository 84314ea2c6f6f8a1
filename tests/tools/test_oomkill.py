"""oomkill on a child that wants more memory than its control group has."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import Done, running
from tests.tools.children import COMM, waiting
from tests.vm import native

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

TOOL = ("-m", "pyebpf.tools.oomkill")
LIMIT = 16 << 20


def wants_too_much() -> None:
    """Fill four times as much memory as there is."""
    memory = mmap.mmap(-1, 4 * LIMIT)
    for place in range(0, 4 * LIMIT, mmap.PAGESIZE):
        memory[place] = 1


def folder_and_file() -> tuple[Path, str]:
    """Return where control groups can be made that limit memory, and the file of their limit."""
    text = Path("/proc/mounts").read_text(encoding="utf-8")
    for _, folder, kind, how, *_ in map(str.split, text.splitlines()):
        root = Path(folder)
        if kind == "cgroup" and "memory" in how.split(","):
            return root, "memory.limit_in_bytes"
        if kind != "cgroup2" or "memory" not in (root / "cgroup.controllers").read_text().split():
            continue
        if native.is_alone():
            (root / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
        if "memory" in (root / "cgroup.subtree_control").read_text().split():
            return root, "memory.max"
    pytest.skip("needs control groups that limit memory")


@contextmanager
def small_group() -> Iterator[Path]:
    """Make a control group with 16 MiB of memory."""
    root, limit = folder_and_file()
    group = root / f"pyebpf-oomkill-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as err:
        pytest.skip(f"no control groups can be made: {err}")
    try:
        (group / limit).write_text(str(LIMIT), encoding="ascii")
        yield group
    finally:
        group.rmdir()


def killed(*flags: str) -> tuple[int, Done]:
    """Trace a child that is killed; returns its number, and what the tool left."""
    with small_group() as group, waiting(wants_too_much) as child, running(*TOOL, *flags) as tool:
        if flags:
            tool.wait_for_links(1)
        else:
            assert tool.wait_for("Tracing OOM kills") == "Tracing OOM kills... Ctrl-C to stop.\n"
        (group / "cgroup.procs").write_text(str(child.pid), encoding="ascii")
        child.begin()
        pid, ended = child.pid, os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, 9)
        done = tool.interrupt()
        child.kill()  # no process is in the group when it is removed
    assert (done.code, done.err) == (0, "")
    return pid, done


def test_a_kill_is_a_sentence() -> None:
    pid, done = killed()
    lines = done.out.splitlines()
    place = next(n for n, line in enumerate(lines) if f"OOM kill of PID {pid} " in line)
    assert re.fullmatch(
        rf'\d\d:\d\d:\d\d Triggered by PID {pid} \("{COMM}"\), OOM kill of PID {pid} \("{COMM}"\), '
        r"(\d+ kB resident|\d+ pages), loadavg: [\d.]+ [\d.]+ [\d.]+ \d+/\d+ \d+",
        lines[place],
    )
    assert lines[place + 1] == "  Stack trace:"
    assert lines[place + 2].startswith("    ")


@pytest.mark.thorough
def test_json_says_how_much() -> None:
    pid, done = killed("-j")
    (row,) = [row for row in map(json.loads, done.out.splitlines()) if row["victim"] == pid]
    assert (row["pid"], row["comm"], row["victim_comm"]) == (pid, COMM, COMM)
    if row["pages"] is None:
        # Up to its limit, and what it has together with the test, which made it.
        resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        together = int(resident) * mmap.PAGESIZE
        assert LIMIT // 2 <= row["resident_kb"] << 10 <= LIMIT + together
    else:
        assert (row["pages"], row["resident_kb"]) == (LIMIT // mmap.PAGESIZE, None)
