"""biostacks on known workloads: 23 reads and 31 writes, each kind from its own place."""

from __future__ import annotations

import csv
import json
import os
import re

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biostacks
from tests.programs import histogram_counts, running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.biostacks")
READS, WRITES = 23, 31


def work(disk: LoopDevice) -> None:
    disk.read(READS, 16 << 10)
    disk.write(WRITES, 4 << 10)


@pytest.mark.parametrize("in_ms", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_each_place_has_its_requests(disk: LoopDevice, in_ms: bool) -> None:
    options = {biostacks.only_dev: disk.dev, biostacks.milliseconds: in_ms}
    with load(*biostacks.tool.probes, options=options) as session:
        work(disk)
        session.detach()
        found = biostacks.report(session)
        assert biostacks.report(session) == []
    mine = [each for each in found if each.origin.pid == os.getpid()]
    counts = {"read": 0, "write": 0}
    for each in mine:
        (kind,) = {kind for kind in counts for name in each.stack if f"vfs_{kind}" in name} or {""}
        assert kind, each.stack
        counts[kind] += each.hist.count
    assert counts == {"read": READS, "write": WRITES}
    assert {each.origin.dev for each in found} == {disk.dev}
    assert sum(each.hist.count for each in found) == READS + WRITES
    assert all(each.hist.unit == ("ms" if in_ms else "us") for each in found)


@pytest.mark.parametrize(
    ("flags", "count"), [(("-p", str(os.getpid())), READS + WRITES), (("--comm", "nobody"), 0)]
)
@pytest.mark.thorough
def test_whoever_asked(disk: LoopDevice, flags: tuple[str, ...], count: int) -> None:
    """Values between commas have a row for each slot of each histogram."""
    with running(*TOOL, "--csv", "-d", disk.name, *flags) as tool:
        tool.wait_for_links(3)
        work(disk)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = list(csv.DictReader(done.out.splitlines()))
    assert sum(int(row["count"]) for row in rows) == count
    assert {(row["pid"], row["disk"]) for row in rows} <= {(str(os.getpid()), disk.name)}
    assert all(row["stack"] and row["low"] and row["high"] for row in rows)


@pytest.mark.thorough
def test_text(disk: LoopDevice) -> None:
    with running(*TOOL, "-v", "-d", disk.name) as tool:
        begin = tool.wait_for("Hit Ctrl-C to end.")
        work(disk)
        done = tool.interrupt()
    assert begin == "Tracing block I/O with init stacks. Hit Ctrl-C to end.\n"
    assert (done.code, done.err) == (0, "")
    assert sum(histogram_counts(done.out)) == READS + WRITES
    heads = re.findall(rf"^\S+ +{os.getpid()} +{disk.name}$", done.out, re.MULTILINE)
    assert len(heads) >= 2
    assert re.search(r"^[0-9a-f]{16} \w*submit_bio\w*\+0x", done.out, re.MULTILINE)
    assert "     usecs               : count     distribution" in done.out


@pytest.mark.thorough
def test_json(disk: LoopDevice) -> None:
    with running(*TOOL, "-j", "-d", disk.name, "600") as tool:
        tool.wait_for_links(3)
        work(disk)
        done = tool.interrupt()
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert {row["disk"] for row in rows} == {disk.name}
    assert all(row["stack"] for row in rows)
    assert sum(part["count"] for row in rows for part in row["data"]) == READS + WRITES
