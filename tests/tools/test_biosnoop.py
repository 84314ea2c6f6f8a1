"""biosnoop on known workloads: each request once, with its process, place and size."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from pyebpf import load, rows
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biosnoop
from tests.programs import Done, run, running
from tests.tools.children import called

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

BIOSNOOP = ("-m", "pyebpf.tools.biosnoop")
READS, WRITES = 5, 7
#: Operation, sector and size of each request of the workload.
REQUESTS = [
    *(("R", number * 32, 16384) for number in range(READS)),
    *(("W", number * 8, 4096) for number in range(WRITES)),
]


def work(disk: LoopDevice) -> None:
    disk.read(READS, 16 << 10)
    disk.write(WRITES, 4 << 10)


def traced(disk: LoopDevice, *flags: str) -> Done:
    with running(*BIOSNOOP, "-d", disk.name, *flags) as tool:
        tool.wait_for("TIME(s)")
        with called(b"a\x1b[2Jb"):
            work(disk)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return done


def test_each_request_is_a_line(disk: LoopDevice) -> None:
    lines = traced(disk, "-Q", "-P").out.splitlines()
    assert max(map(len, lines)) <= 83
    found = [line.split() for line in lines]
    assert {(row[1], row[2], row[3]) for row in found} == {
        ("a\\x1b[2Jb", str(os.getpid()), disk.name)
    }
    assert [(row[4], int(row[5]), int(row[6])) for row in found] == REQUESTS
    assert "".join(row[7] for row in found) == "?SSSS" + "RSSSSSS"
    times = [float(row[0]) for row in found]
    assert times == sorted(times)
    for row in found:
        queued, latency = map(float, row[8:])
        assert queued >= 0
        assert 0 <= latency <= times[-1] * 1e3


@pytest.mark.thorough
def test_json(disk: LoopDevice) -> None:
    with running(*BIOSNOOP, "-j", "-d", disk.name) as tool:
        tool.wait_for_links(3)
        work(disk)
        done = tool.interrupt()
    found: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    assert [(row["type"], row["sector"], row["bytes"]) for row in found] == REQUESTS
    assert {"pattern", "queue_ms"}.isdisjoint(found[0])


def test_what_nobody_was_seen_to_ask_for_is_nobodys(disk: LoopDevice) -> None:
    """Requests that began before tracing did, as it were."""
    probes = (biosnoop.on_issue, biosnoop.on_complete)
    options = {biosnoop.only_dev: disk.dev, biosnoop.queue: True}
    with load(*probes, options=options) as session:
        work(disk)
        found = list(rows(biosnoop.Done, session[biosnoop.done].read()))
    assert [(row.sector, row.size) for row in found] == [
        (sector, size) for _, sector, size in REQUESTS
    ]
    assert {(row.pid, row.comm, row.queued_ns) for row in found} == {(0, "", 0)}


@pytest.mark.thorough
def test_it_ends_by_itself_and_sees_no_other_disk(disk: LoopDevice) -> None:
    with LoopDevice() as other, running(*BIOSNOOP, "-d", other.name, "--duration", "0.5") as tool:
        assert tool.wait_for("TIME(s)").split() == [
            "TIME(s)", "COMM", "PID", "DISK", "T", "SECTOR", "BYTES", "LAT(ms)"
        ]  # fmt: skip
        work(disk)
        assert tool.end() == Done(0, "", "")


@pytest.mark.thorough
def test_help_names_every_flag_of_bcc() -> None:
    done = run(*BIOSNOOP, "--help")
    for pair in ("-Q, --queue", "-d, --disk", "-P, --pattern", "-j, --json"):
        assert pair in done.out
