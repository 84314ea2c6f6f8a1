"""From process start to probes attached: tools that several of us have, once they count right."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from tests.bench.cases import CASES, Case
from tests.bench.counting import fit, look
from tests.bench.measure import Sample, sample
from tests.bench.peers import BCC, BPFTRACE, LIBBPF, Release
from tests.bench.report import Report, number
from tests.bench.starting import Contestant, Peer, Started, environment, started
from tests.bench.test_start import CHILD

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 7
OURS = "pyebpf, cached"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_tool_beside_its_peers(
    case: Case,
    report: Report,
    disk: LoopDevice,
    releases: list[Release],
    bcc: dict[str, str] | None,
    tracefs: list[str],
    tmp_path: Path,
) -> None:
    values = {"pid": str(os.getpid()), "disk": disk.name, "dev": str(disk.dev)}
    words = filled(case.arguments, values).split()
    ours = [sys.executable, "-m", f"pyebpf.tools.{case.name}", *words]
    env = environment(tmp_path / "cache")
    contestants = [Contestant(OURS, ours, case.marker, env)]
    for release in releases:
        contestants += peers(case, release, values, tmp_path, tracefs)
        if bcc is not None and case.bcc and BCC in release:
            theirs = [*tracefs, *release.bcc(case.name), *words]
            # Its lines would wait in a buffer of Python's, if it did not write to a terminal.
            contestants.append(Peer(release.called(BCC), theirs, case.marker, bcc))
    right = fit(
        report,
        case.name,
        contestants,
        lambda one: look(one, lambda: case.work(disk), case.seen),
        exact=case.exact,
    )
    found: dict[str, list[Started]] = defaultdict(list)
    for _ in range(ROUNDS):
        for one in right:
            with started(one) as (running, took):
                found[one.name].append(took)
                running.finish()
    tell(report, case.name, found)


def peers(
    case: Case, release: Release, values: dict[str, str], folder: Path, tracefs: list[str]
) -> list[Peer]:
    env = environment(folder / "cache")
    found = []
    if LIBBPF in release:
        theirs = [*tracefs, *release.tool(case.name), *filled(case.arguments, values).split()]
        found.append(Peer(release.called(LIBBPF), theirs, case.marker, env))
    if BPFTRACE in release:
        child = folder / "child.sh"
        child.write_text(CHILD)
        text = filled(case.bpftrace, values)
        command = [*tracefs, *release.bpftrace(), "-c", f"/bin/sh {child}", "-e", text]
        found.append(Peer(release.called(BPFTRACE), command, environment=env))
    return found


def filled(text: str, values: dict[str, str]) -> str:
    """Put values where ``{name}`` is; other braces are the text's own."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def tell(report: Report, name: str, found: dict[str, list[Started]]) -> None:
    def column(index: int, scale: float) -> list[tuple[str, Sample]]:
        return [
            (who, sample(took[index] * scale for took in starts)) for who, starts in found.items()
        ]

    (_, ours), *others = column(0, 1e3)
    report.add(f"start, {name}, cached", "ms", ours, 60, others)
    (_, peak), *others = column(2, 1e-6)
    report.add("  peak memory when attached", "MB", peak, 30, others)
    said = ", ".join(f"{who} {number(min(s.cpu_s for s in starts) * 1e3)}" for who, starts in
                     found.items())  # fmt: skip
    report.note(f"{name}: least CPU time of a start, ms: {said}")
