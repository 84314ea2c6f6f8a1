"""From process start to probes attached, beside other ways to the same histogram."""

from __future__ import annotations

import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from tests.bench.measure import Sample, sample
from tests.bench.report import Report, number
from tests.bench.starting import (
    BCC_PYTHON,
    ROOT,
    Contestant,
    Started,
    environment,
    started,
)

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 13
#: Requests that the disk serves while each tool looks: all of them must say so.
READS = 23
BCC_PROGRAM = Path(__file__).with_name("bcc_biolatency.py")
HEADER = b"Tracing block device I/O"
WARM, CONTRACT = "biolatency -d, cached", "README's program, cached"
COLD, FIRST = "biolatency -d, nothing cached", "biolatency -d, no cache, no .pyc of ours"
PYTHON, NUMPY = "python, nothing else", "python, import numpy"
LLVM = "python, import llvmlite.binding"
BPFTRACE, LIBBPF = "bpftrace, the same", "libbpf-tools biolatency -d"
BCC = "BCC, the same"
#: These trace nothing: they show what the others are made of.
SCALE = (PYTHON, NUMPY, LLVM)

Peer = Callable[[str], "str | None"]

BPFTRACE_TEXT = """
tracepoint:block:block_rq_issue /args->dev == {dev}/ {{ @start[args->sector] = nsecs; }}
tracepoint:block:block_rq_complete /args->dev == {dev} && @start[args->sector]/ {{
  @usecs = hist((nsecs - @start[args->sector]) / 1000); delete(@start[args->sector]);
}}
"""
#: bpftrace starts the program of ``-c`` when all its probes are attached.
CHILD = "echo attached\nread line\n"


def test_process_start_to_probes_attached(
    report: Report,
    disk: LoopDevice,
    peer: Peer,
    tmp_path: Path,
    tracefs: list[str],
    bcc: dict[str, str] | None,
) -> None:
    contestants = [*ours(disk, tmp_path), *pythons(tmp_path), *peers(disk, tmp_path, peer, tracefs)]
    if bcc is not None:
        words = [*tracefs, BCC_PYTHON, str(BCC_PROGRAM), str(disk.dev)]
        contestants.append(Contestant(BCC, words, environment=bcc))
    settled = {one.name: look_once(one, disk) for one in contestants}
    found: dict[str, list[Started]] = defaultdict(list)
    for _ in range(ROUNDS):  # in turns, so that what disturbs one disturbs all
        for one in contestants:
            with started(one) as (running, took):
                found[one.name].append(took)
                running.finish()
    tell(report, found, settled)


def look_once(contestant: Contestant, disk: LoopDevice) -> int:
    """See that it works, after a start to warm up; return its peak memory while it traces."""
    with started(contestant) as (running, _):
        running.finish()
    with started(contestant) as (running, _):
        disk.read(READS)
        settled = running.settled_bytes()
        text = running.finish()
    if contestant.name not in SCALE:
        assert counted(text) == READS, f"{contestant.name} missed some of {READS} reads:\n{text}"
    return settled


def counted(text: str) -> int:
    """Sum the counts of a histogram of stars, BCC's or bpftrace's."""
    rows = re.findall(r"^(?:\s*\d+ -> \d+\s*:|\[.*\))\s+(\d+)\s*\|", text, re.MULTILINE)
    return sum(map(int, rows))


def ours(disk: LoopDevice, folder: Path) -> list[Contestant]:
    def fresh() -> None:
        shutil.rmtree(folder / "fresh", ignore_errors=True)

    def without_bytecode() -> None:
        fresh()
        for part in ("pyebpf", "tools"):  # the standard library's, numpy's and LLVM's stay
            shutil.rmtree(f"{folder}/pyc{ROOT}/{part}", ignore_errors=True)

    tool = [sys.executable, "-m", "pyebpf.tools.biolatency", "-d", disk.name]
    contract = [sys.executable, "-m", "tests.bench.contract", str(disk.dev)]
    warm, cold = environment(folder / "cache"), environment(folder / "fresh")
    first = {**cold, "PYTHONPYCACHEPREFIX": str(folder / "pyc")}
    return [
        Contestant(WARM, tool, HEADER, warm),
        Contestant(CONTRACT, contract, environment=warm),
        Contestant(COLD, tool, HEADER, cold, fresh),
        Contestant(FIRST, tool, HEADER, first, without_bytecode),
    ]


def pythons(folder: Path) -> list[Contestant]:
    end = "print('attached', flush=True); sys.stdin.read()"
    modules = {PYTHON: "sys", NUMPY: "sys, numpy", LLVM: "sys, llvmlite.binding"}
    return [
        Contestant(
            name,
            [sys.executable, "-c", f"import {what}; {end}"],
            environment=environment(folder / "cache"),
        )
        for name, what in modules.items()
    ]


def peers(disk: LoopDevice, folder: Path, peer: Peer, tracefs: list[str]) -> list[Contestant]:
    env = environment(folder / "cache")
    found = []
    if path := peer("bpftrace"):
        child = folder / "child.sh"
        child.write_text(CHILD)
        text = BPFTRACE_TEXT.format(dev=disk.dev)
        command = [*tracefs, path, "-c", f"/bin/sh {child}", "-e", text]
        found.append(Contestant(BPFTRACE, command, environment=env))
    if path := peer("biolatency"):
        found.append(Contestant(LIBBPF, [path, "-d", disk.name], HEADER, env))
    return found


def tell(report: Report, found: dict[str, list[Started]], settled: dict[str, int]) -> None:
    wall, cpu, peak = (column(found, i, scale) for i, scale in enumerate((1e3, 1e3, 1e-6)))
    rows = [
        [
            name,
            *(number(value) for value in (wall[name].least, wall[name].median, wall[name].most)),
            *(number(value) for value in (cpu[name].least, cpu[name].median)),
            *(number(value) for value in (peak[name].median, settled[name] / 1e6)),
        ]
        for name in found
    ]
    head = ["", "ms: min", "median", "max", "CPU ms: min", "median", "peak MB", "while tracing"]
    report.table(f"Process start to ready, {ROUNDS} starts each, in turns", head, rows)
    beside = [name for name in (BCC, BPFTRACE, LIBBPF) if name in found]
    for name, wall_budget, peak_budget in ((WARM, 60, 30), (CONTRACT, 60, 30), (COLD, 300, 100)):
        for what, budget, column_ in (("ms", wall_budget, wall), ("MB", peak_budget, peak)):
            label = f"start, {name}" if what == "ms" else "  peak memory when attached"
            others = [(other, column_[other]) for other in beside]
            report.add(label, what, column_[name], budget, others)


def column(found: dict[str, list[Started]], index: int, scale: float) -> dict[str, Sample]:
    return {name: sample(took[index] * scale for took in starts) for name, starts in found.items()}
