"""biolatency on known workloads: 23 reads and 31 writes are 23 and 31."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biolatency
from tests.loop import completed
from tests.programs import (
    BIOLATENCY,
    Done,
    attached,
    drop_capabilities,
    histogram_counts,
    run,
    running,
)

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

READS, WRITES = 23, 31
TOTAL = READS + WRITES
HEADER = "Tracing block device I/O... Hit Ctrl-C to end."


def work(disk: LoopDevice) -> None:
    disk.read(READS, 16 << 10)
    disk.write(WRITES, 4 << 10)


def traced(disk: LoopDevice, *flags: str) -> Done:
    """Trace the workload until Ctrl-C."""
    with running(*BIOLATENCY, "-d", disk.name, *flags) as tool:
        tool.wait_for(HEADER)
        work(disk)
        return tool.interrupt()


def test_every_request_is_counted_once(disk: LoopDevice) -> None:
    done = traced(disk)
    assert (done.code, done.err) == (0, "")
    assert sum(histogram_counts(done.out)) == TOTAL
    head = done.out.splitlines()[:3]
    assert head[0] == ""
    assert head[1] == "     usecs               : count     distribution"
    assert head[2].startswith("         0 -> 1          : ")


@pytest.mark.thorough
def test_milliseconds(disk: LoopDevice) -> None:
    done = traced(disk, "-m")
    assert "     msecs               : count     distribution" in done.out
    assert sum(histogram_counts(done.out)) == TOTAL


@pytest.mark.thorough
def test_by_disk(disk: LoopDevice) -> None:
    done = traced(disk, "-D")
    assert re.findall(r"^disk = (.*)$", done.out, re.MULTILINE) == [disk.name]
    assert sum(histogram_counts(done.out)) == TOTAL


@pytest.mark.thorough
def test_by_flags(disk: LoopDevice) -> None:
    done = traced(disk, "-F")
    first, *sections = re.split(r"\nflags = (.*)\n", done.out)
    assert first == "\n"
    counts = {
        name: sum(histogram_counts(text))
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    # Older kernels do not say of a read that somebody waits for it.
    assert counts in ({kind: READS, "Idle-Sync-Write": WRITES} for kind in ("Sync-Read", "Read"))


@pytest.mark.thorough
def test_average(disk: LoopDevice) -> None:
    done = traced(disk, "-e")
    found = re.search(r"\n\navg = (\d+) usecs, total: (\d+) usecs, count: (\d+)\n\n", done.out)
    assert found is not None, done.out
    average, total, count = map(int, found.groups())
    assert count == TOTAL
    assert average == total // count


@pytest.mark.thorough
def test_average_over_all_sections(disk: LoopDevice) -> None:
    assert f"count: {TOTAL}\n" in traced(disk, "-eF").out


def test_queued(disk: LoopDevice) -> None:
    assert sum(histogram_counts(traced(disk, "-Q").out)) == TOTAL


@pytest.mark.thorough
def test_queued_where_requests_wait_in_a_scheduler(disk: LoopDevice) -> None:
    scheduler = Path(f"/sys/block/{disk.name}/queue/scheduler")
    before = scheduler.read_text(encoding="ascii")
    if "mq-deadline" not in before:
        pytest.skip("needs an I/O scheduler (mq-deadline) that requests can wait in")
    scheduler.write_text("mq-deadline", encoding="ascii")
    try:
        assert sum(histogram_counts(traced(disk, "-Q").out)) == TOTAL
    finally:
        chosen = re.search(r"\[(.*)\]", before)
        scheduler.write_text(chosen[1] if chosen else "none", encoding="ascii")


@pytest.mark.parametrize("flags", [(), pytest.param(("-Q",), marks=pytest.mark.thorough)])
def test_whoever_asked(disk: LoopDevice, flags: tuple[str, ...]) -> None:
    mine, other = (traced(disk, "-p", str(pid), *flags).out for pid in (os.getpid(), 1))
    assert sum(histogram_counts(mine)) == TOTAL
    assert sum(histogram_counts(other)) == 0


@pytest.mark.thorough
def test_json(disk: LoopDevice) -> None:
    (line,) = json_of(disk).splitlines()
    found = json.loads(line)
    assert sum(row["count"] for row in found["data"]) == TOTAL
    assert list(found)[:3] == ["ts", "val_type", "data"]
    assert found["val_type"] == "usecs"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", found["ts"])
    assert found["data"][0]["interval-start"] == 0
    assert found["data"][1]["interval-end"] == 3


@pytest.mark.thorough
def test_json_by_flags(disk: LoopDevice) -> None:
    found = [json.loads(line) for line in json_of(disk, "-F").splitlines()]
    counts = {row["flags"]: sum(slot["count"] for slot in row["data"]) for row in found}
    assert counts in ({kind: READS, "Idle-Sync-Write": WRITES} for kind in ("Sync-Read", "Read"))


def json_of(disk: LoopDevice, *flags: str) -> str:
    """Trace until the known number was counted: with -j nothing says when tracing has begun."""
    with running(*BIOLATENCY, "-j", "-d", disk.name, *flags) as tool:
        tool.wait_for_links(2)
        work(disk)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    return done.out


@pytest.mark.thorough
def test_intervals_and_count(disk: LoopDevice) -> None:
    with running(*BIOLATENCY, "-T", "-d", disk.name, "0.3", "3") as tool:
        tool.wait_for(HEADER)
        work(disk)
        done = tool.end()
    assert done.code == 0
    assert sum(histogram_counts(done.out)) == TOTAL
    assert len(re.findall(r"^\d\d:\d\d:\d\d$", done.out, re.MULTILINE)) == 3


@pytest.mark.thorough
def test_other_disks_are_not_counted(disk: LoopDevice) -> None:
    with LoopDevice() as other, running(*BIOLATENCY, "-d", other.name) as tool:
        tool.wait_for(HEADER)
        work(disk)
        assert histogram_counts(tool.interrupt().out) == []


@pytest.mark.thorough
def test_sigterm_is_like_ctrl_c(disk: LoopDevice) -> None:
    with running(*BIOLATENCY, "-d", disk.name) as tool:
        tool.wait_for(HEADER)
        work(disk)
        tool.send(signal.SIGTERM)
        done = tool.end()
    assert (done.code, sum(histogram_counts(done.out))) == (0, TOTAL)


@pytest.mark.thorough
def test_requests_under_way_at_the_start_do_no_harm(disk: LoopDevice) -> None:
    """Attach and detach in the middle of heavy I/O.

    No more is counted than was completed, and nothing took longer than tracing did.
    """
    stop = threading.Event()
    threads = [threading.Thread(target=hammer, args=(disk, stop)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        begin, before = time.monotonic(), completed(disk)
        options = {biolatency.only_dev: disk.dev, biolatency.extended: True}
        with load(*biolatency.tool.probes, options=options) as session:
            first = completed(disk)
            while completed(disk) < first + 97:
                time.sleep(0.001)
            last = completed(disk)
            session.detach()
            after, elapsed_us = completed(disk), (time.monotonic() - begin) * 1e6
            seen = biolatency.report(session)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    # The kernel counts a request as completed a little after the tracepoint.
    late = 2 * len(threads)
    assert last - first - len(threads) - late <= seen.count <= after - before + late
    assert seen.total <= elapsed_us * len(threads)
    assert seen.quantile(1).low <= elapsed_us


def hammer(disk: LoopDevice, stop: threading.Event) -> None:
    while not stop.is_set():
        disk.write(1, 1 << 20)


def test_as_a_library(disk: LoopDevice) -> None:
    def write() -> None:
        while not attached(os.getpid(), 2):
            time.sleep(0.01)
        disk.write(WRITES)

    worker = threading.Thread(target=write)
    worker.start()
    seen = biolatency.tool.run(1.5, disk=disk.dev, flags=True)
    worker.join()
    assert {key: hist.count for key, hist in seen.items()} == {"Idle-Sync-Write": WRITES}


@pytest.mark.thorough
def test_dry_run_attaches_nothing_for_long() -> None:
    done = run(*BIOLATENCY, "--dry-run", "-d", "loop0")
    assert done.code == 0
    assert "accepted by the verifier" in done.out
    assert "on_issue, on_complete" in done.out


@pytest.mark.thorough
def test_a_full_disk_is_reported() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run(*BIOLATENCY, "-d", "loop0", "--duration", "0.1", stdout=full.fileno())
    assert done.code == 1
    assert done.err == "biolatency: cannot write to standard output: No space left on device\n"


@pytest.mark.thorough
def test_a_reader_that_left_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run(*BIOLATENCY, "-d", "loop0", "--duration", "0.1", stdout=writing)
    finally:
        os.close(writing)
    assert (done.code, done.err) == (141, "")


@pytest.mark.thorough
def test_without_capabilities_the_missing_one_is_named() -> None:
    done = run(*BIOLATENCY, prepare=drop_capabilities)
    assert (done.code, done.out) == (1, "")
    assert "CAP_BPF" in done.err
    assert done.err.count("\n") == 1, done.err


@pytest.mark.thorough
def test_explaining_needs_no_capabilities() -> None:
    done = run(*BIOLATENCY, "--explain", "-Q", "-d", "loop0", prepare=drop_capabilities)
    assert (done.code, done.err) == (0, "")
    for hook in ("block_rq_insert", "block_rq_issue", "block_rq_complete"):
        assert f"tp_btf {hook}" in done.out
    assert "gendisk.first_minor" in done.out


@pytest.mark.thorough
def test_the_compiled_program_is_shown_with_its_source() -> None:
    done = run(*BIOLATENCY, "--ebpf", prepare=drop_capabilities)
    assert done.code == 0
    assert "; since = started.pop(rq)  @ biolatency.py:" in done.out
    assert "call bpf_ktime_get_ns#5" in done.out


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("-x",), "option -x not recognized"),
        (("-D", "-F"), "can only use -D or -F"),
        (("-d", "no-such-disk"), "there is no disk 'no-such-disk'"),
        (("0",), "interval: '0' is no number of seconds above 0"),
        (("1", "-1"), "option -1 not recognized"),
        (("1", "2", "3"), "'3' is one argument too many"),
    ],
)
def test_wrong_command_lines(flags: tuple[str, ...], said: str) -> None:
    done = run(*BIOLATENCY, *flags)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "usage: biolatency [options] [interval [count]]" in done.err


@pytest.mark.thorough
def test_help_names_every_flag_of_bcc() -> None:
    done = run(*BIOLATENCY, "--help")
    assert (done.code, done.err) == (0, "")
    pairs = {
        "-T": "--timestamp", "-Q": "--queued", "-m": "--milliseconds", "-D": "--disks",
        "-F": "--flags", "-e": "--extension", "-j": "--json", "-d": "--disk",
    }  # fmt: skip
    for short, long in pairs.items():
        assert f"{short}, {long}" in done.out
    assert done.out.startswith("usage: biolatency")
    assert "Summarise block device I/O latency" in done.out
    assert "biolatency -mT 1 " in done.out


def test_flag_words_know_this_kernels_bits() -> None:
    from pyebpf.lib.block import flag_words

    assert flag_words(0) == "Read"
    assert flag_words(1) == "Write"
    assert flag_words(0xFE) == "Unknown"
    sync, meta = 1 << 11, 1 << 12  # the same on all kernels since 4.10
    assert flag_words(1 | sync | meta) == "Metadata-Sync-Write"
