"""Attaching one program to many functions of the kernel, beside bpftrace.

It probes what everybody calls: on a machine of one's own, or in the emulator:
``python -m tests.vm bench 6.12 -- -k attaching_to_many``. There the same loop in Python, timed here
and on the machine outside, says how many times slower the emulator is. On a kernel that has no link
for many functions (6.1 of Debian) each has a perf event of its own, and only some are probed.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.tracefs import Tracefs
from tests.bench.measure import sample
from tests.bench.report import Report
from tests.bench.starting import Contestant, environment, started
from tests.bench.test_start import CHILD
from tests.vm.native import NATIVE_LOOP, loop_s

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 3
#: Functions that run whatever a machine does.
ONE, SOME = "vfs_read", "*file*"
#: Patterns in the language that both have; the first that matches so many functions is taken.
MANY, LEAST = ("*_s*", "*_d*", "*_c*", "*s*", "*"), 10_000
BUDGET_S = 1.0

Peer = Callable[[str], "str | None"]


def has(feature: str) -> bool:
    return KernelFeatures(keep=False).support(feature).support.value == "yes"


@pytest.fixture(autouse=True)
def _possible() -> None:
    answer = KernelFeatures(keep=False).support("kprobe_attach")
    if answer.support.value != "yes":
        pytest.skip(f"kprobe_attach: {answer.reason}")


def matching() -> dict[str, int]:
    """Return the patterns to attach to, and how many functions each matches."""
    with Tracefs() as tracefs:
        names = tracefs.functions()
    count = {p: sum(fnmatchcase(name, p) for name in names) for p in (SOME, *MANY)}
    if not has("prog:kprobe.multi"):
        return {SOME: count[SOME]}
    most = next((p for p in MANY if count[p] >= LEAST), MANY[-1])
    return {SOME: count[SOME], most: count[most]}


def test_attaching_to_many_functions(report: Report, peer: Peer, tmp_path: Path) -> None:
    patterns = matching()
    factor = loop_s() / float(os.environ.get(NATIVE_LOOP, loop_s()))
    ours: dict[str, list[float]] = defaultdict(list)
    closing: dict[str, list[float]] = defaultdict(list)
    theirs: dict[str, list[float]] = defaultdict(list)
    bpftrace = peer("bpftrace")
    for _ in range(ROUNDS):
        for pattern in (ONE, *patterns):
            opened, closed = _ours(pattern, tmp_path)
            ours[pattern].append(opened)
            closing[pattern].append(closed)
            if bpftrace:
                theirs[pattern].append(_theirs(bpftrace, pattern, tmp_path))
    report.note(
        f"attaching: a loop in Python takes {factor:.1f} times as long here as outside of the "
        "emulator; `natively` is the time divided by that"
        if NATIVE_LOOP in os.environ
        else "attaching: on this machine itself, so `natively` is the time"
    )
    way = "one link" if has("prog:kprobe.multi") else "a perf event for each"
    for pattern, count in patterns.items():
        beside = []
        if bpftrace:
            # Its whole start, less that with one function: it does not say when it attaches.
            least = min(theirs[ONE])
            more = sample(max(value - least, 1e-3) for value in theirs[pattern])
            beside = [("bpftrace: more than for one function", more)]
        took = sample(ours[pattern])
        title = f"attach to {count} functions, `{pattern}`, by {way}"
        report.add(title, "s", took, None, beside)
        natively = [(name, other.scaled(1 / factor)) for name, other in beside]
        budget = BUDGET_S if count >= LEAST else None
        report.add("  natively", "s", took.scaled(1 / factor), budget, natively)
        report.add("  detach", "s", sample(closing[pattern]), None, [])


def _ours(pattern: str, folder: Path) -> tuple[float, float]:
    """Return what attaching and detaching took, in seconds."""
    command = [sys.executable, "-m", "tests.bench.many", pattern]
    one = Contestant("ours", command, b" s\r\n", environment(folder / "cache"))
    with started(one) as (running, _):
        text = running.finish()
    took = re.search(r"attached in ([\d.]+) s\s+ran [1-9]\d* times, detached in ([\d.]+) s", text)
    assert took, f"{pattern}: {text}"
    return float(took[1]), float(took[2])


def _theirs(path: str, pattern: str, folder: Path) -> float:
    child = folder / "child.sh"
    child.write_text(CHILD)
    text = f"kprobe:{pattern} {{ @ = count(); }}"
    words = [path, "-c", f"/bin/sh {child}", "-e", text]
    more = {"BPFTRACE_MAX_PROBES": "1000000"}
    one = Contestant("bpftrace", words, environment={**environment(folder), **more})
    with started(one) as (running, took):
        told = running.finish()
    assert re.search(r"@: [1-9]", told), f"{pattern}: {told}"
    return took.wall_s
