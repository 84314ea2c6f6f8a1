"""From process start to probes attached, beside other ways to the same histogram."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from tests.bench.counting import EVENTS, Look, counted, fit, look
from tests.bench.measure import Sample, sample
from tests.bench.peers import BCC, BPFTRACE, LIBBPF, Release
from tests.bench.python_bpf import PythonBPF
from tests.bench.report import Report, number
from tests.bench.starting import ROOT, Contestant, Peer, Started, environment, started

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 13
BCC_PROGRAM = Path(__file__).with_name("bcc_biolatency.py")
HEADER = b"Tracing block device I/O"
WARM, CONTRACT = "biolatency -d, cached", "README's program, cached"
SECOND = "biolatency -d, cached, no head start"
COLD, FIRST = "biolatency -d, nothing cached", "biolatency -d, no cache, no .pyc of ours"
PYTHON, NUMPY = "python, nothing else", "python, import numpy"
LLVM = "python, import llvmlite.binding"
#: These trace nothing: they show what the others are made of.
SCALE = (PYTHON, NUMPY, LLVM)

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
    releases: list[Release],
    pythonbpf: PythonBPF | None,
    tmp_path: Path,
    tracefs: list[str],
    bcc: dict[str, str] | None,
) -> None:
    theirs = [one for release in releases for one in peers(disk, tmp_path, release, tracefs, bcc)]
    if pythonbpf is not None:
        theirs += of_pythonbpf(pythonbpf, disk, tmp_path, tracefs)
    contestants = [*ours(disk, tmp_path), *pythons(tmp_path), *theirs]
    contestants += by_the_loader(disk, tmp_path, releases)
    right = fit(report, "biolatency", contestants, lambda one: look_at(one, disk))
    found: dict[str, list[Started]] = defaultdict(list)
    for _ in range(ROUNDS):  # in turns, so that what disturbs one disturbs all
        for one in right:
            with started(one) as (running, took):
                found[one.name].append(took)
                running.finish()
    settled = {one.name: seen.settled_bytes for one, seen in right.items()}
    beside = [one.name for one in theirs if one in right]
    tell(report, found, settled, beside)


def look_at(contestant: Contestant, disk: LoopDevice) -> Look:
    def seen(text: str) -> int:
        return EVENTS if contestant.name in SCALE else counted(text)

    return look(contestant, lambda: disk.read(EVENTS), seen)


def ours(disk: LoopDevice, folder: Path) -> list[Contestant]:
    def fresh() -> None:
        shutil.rmtree(folder / "fresh", ignore_errors=True)

    def without_bytecode() -> None:
        fresh()
        for part in ("pyebpf", "tools"):  # the standard library's, numpy's and LLVM's stay
            shutil.rmtree(f"{folder}/pyc{ROOT}/{part}", ignore_errors=True)

    def without_notes() -> None:
        for note in (folder / "second").glob("ahead-*"):
            note.unlink()

    tool = [sys.executable, "-m", "pyebpf.tools.biolatency", "-d", disk.name]
    contract = [sys.executable, "-m", "tests.bench.contract", str(disk.dev)]
    warm, cold = environment(folder / "cache"), environment(folder / "fresh")
    first = {**cold, "PYTHONPYCACHEPREFIX": str(folder / "pyc")}
    return [
        Contestant(WARM, tool, HEADER, warm),
        Contestant(SECOND, tool, HEADER, environment(folder / "second"), without_notes),
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


def peers(
    disk: LoopDevice,
    folder: Path,
    release: Release,
    tracefs: list[str],
    bcc: dict[str, str] | None,
) -> list[Peer]:
    env = environment(folder / "cache")
    found = []
    if bcc is not None and BCC in release:
        words = [*tracefs, *release.bcc(BCC_PROGRAM), str(disk.dev)]
        found.append(Peer(f"{release.called(BCC)}, the same", words, environment=bcc))
    if BPFTRACE in release:
        child = folder / "child.sh"
        child.write_text(CHILD)
        text = BPFTRACE_TEXT.format(dev=disk.dev)
        words = [*tracefs, *release.bpftrace(), "-c", f"/bin/sh {child}", "-e", text]
        found.append(Peer(f"{release.called(BPFTRACE)}, the same", words, environment=env))
    if LIBBPF in release:
        words = [*release.tool("biolatency"), "-d", disk.name]
        found.append(Peer(f"{release.called(LIBBPF)} biolatency -d", words, HEADER, env))
    return found


def of_pythonbpf(peer: PythonBPF, disk: LoopDevice, folder: Path, tracefs: list[str]) -> list[Peer]:
    kept = environment(folder / "cache")
    env = peer.environment(kept, folder)
    whole, loader = peer.program(folder, disk.dev), peer.loader(folder)
    peer.compile(folder, kept)
    return [
        Peer(f"{peer.called}, the same", [*tracefs, *whole], environment=env),
        Peer(f"{peer.called}, compiled before", [*tracefs, *loader], environment=env),
    ]


def by_the_loader(disk: LoopDevice, folder: Path, releases: list[Release]) -> list[Peer]:
    """Return an installed tool started as the unpacked ones are: what that adds is the loader's."""
    first, last = releases[0], releases[-1]
    if LIBBPF not in first or not last.loading:
        return []
    loading = [word.replace(str(last.root), "") for word in last.loading]
    words = [*loading, *first.tool("biolatency"), "-d", disk.name]
    name = f"{first.called(LIBBPF)} biolatency -d, by the loader"
    return [Peer(name, words, HEADER, environment(folder / "cache"))]


def tell(
    report: Report,
    found: dict[str, list[Started]],
    settled: dict[str, int],
    beside: list[str],
) -> None:
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
    warm = ((name, 60, 30) for name in (WARM, SECOND, CONTRACT))
    for name, wall_budget, peak_budget in (*warm, (COLD, 300, 100)):
        for what, budget, column_ in (("ms", wall_budget, wall), ("MB", peak_budget, peak)):
            label = f"start, {name}" if what == "ms" else "  peak memory when attached"
            others = [(other, column_[other]) for other in beside]
            report.add(label, what, column_[name], budget, others)


def column(found: dict[str, list[Started]], index: int, scale: float) -> dict[str, Sample]:
    return {name: sample(took[index] * scale for took in starts) for name, starts in found.items()}
