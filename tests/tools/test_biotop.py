"""biotop on known workloads: what each process did, to the byte."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biotop
from tests.programs import run, running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

BIOTOP = ("-m", "pyebpf.tools.biotop")
READS, WRITES = 23, 31
#: Another process that reads, 5 times 64 KiB.
OTHER = """
import mmap, os, sys
fd, buffer = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, 65536)
for number in range(5):
    assert os.preadv(fd, [buffer], number * 65536) == 65536
print(os.getpid())
"""


def work(disk: LoopDevice) -> int:
    """Do some I/O from two processes, and return the other's number."""
    disk.read(READS, 16 << 10)
    disk.write(WRITES, 4 << 10)
    command = [sys.executable, "-c", OTHER, disk.path]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_each_process_has_what_it_did(disk: LoopDevice) -> None:
    with load(*biotop.tool.probes, options={biotop.only_dev: disk.dev}) as session:
        other = work(disk)
        session.detach()
        rows = biotop.report(session)
        assert biotop.report(session) == []
    place = (disk.dev >> 20, disk.dev & 0xFFFFF, disk.name)
    assert [(row["major"], row["minor"], row["disk"]) for row in rows] == [place] * 3
    assert [(row["pid"], row["type"], row["io"], row["kbytes"]) for row in rows] == [
        (os.getpid(), "R", READS, READS * 16),
        (other, "R", 5, 5 * 64),
        (os.getpid(), "W", WRITES, WRITES * 4),
    ]
    assert all(0 < row["avg_ms"] < 10_000 for row in rows)


@pytest.mark.thorough
def test_a_screen(disk: LoopDevice) -> None:
    flags = ("-r", "1", "-p", str(os.getpid()), "600")
    with running(*BIOTOP, "-d", disk.name, *flags) as tool:
        tool.wait_for("Hit Ctrl-C to end.")
        work(disk)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    before, load_line, between, titles, line = done.out.splitlines()
    assert (before, between) == ("", "")
    assert re.match(r"\d\d:\d\d:\d\d loadavg: [\d.]+ ", load_line)
    assert titles == "PID     COMM             D MAJ MIN DISK       I/O  Kbytes  AVGms"
    row = line.split()
    assert [row[0], row[-7], *row[-4:-1]] == [
        str(os.getpid()), "R", disk.name, str(READS), str(READS * 16)
    ]  # fmt: skip


@pytest.mark.thorough
def test_json_has_the_rows(disk: LoopDevice) -> None:
    with running(*BIOTOP, "-j", "-d", disk.name, "600") as tool:
        tool.wait_for_links(3)
        disk.read(READS, 8192)
        done = tool.interrupt()
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert (row["pid"], row["type"], row["io"], row["kbytes"]) == (
        os.getpid(), "R", READS, READS * 8
    )  # fmt: skip


@pytest.mark.thorough
def test_wrong_rows_and_help() -> None:
    done = run(*BIOTOP, "-r", "0")
    assert (done.code, done.out) == (2, "")
    assert "-r: '0' is no count: 1 at least" in done.err
    text = run(*BIOTOP, "--help").out
    for said in ("-C, --noclear", "-r, --maxrows", "-p, --pid", "outputs (default: 1)"):
        assert said in text
    assert "-T" not in text
