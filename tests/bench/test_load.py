"""Loading and attaching where all is imported already: the share of the kernel in a start."""

from __future__ import annotations

import time

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from tests.bench import contract
from tests.bench.measure import sample
from tests.bench.report import Report

pytestmark = [pytest.mark.bench, pytest.mark.kernel]

ROUNDS = 25
PROBES = (contract.issue, contract.complete)


def test_loading_and_attaching(report: Report, disk: LoopDevice, empty_cache: object) -> None:
    options = {contract.device: disk.dev}
    stages: dict[str, list[float]] = {"load": [], "attach": [], "detach, and unload": []}
    for turn in range(ROUNDS + 1):
        times = [time.perf_counter()]
        with load(*PROBES, options=options, attach=False) as session:
            times.append(time.perf_counter())
            links = [session.attach(probe) for probe in PROBES]
            times.append(time.perf_counter())
            assert all(link.fd >= 0 for link in links)
        times.append(time.perf_counter())
        if turn:  # the first one compiles, and fills the cache
            for stage, begin, end in zip(stages, times, times[1:], strict=False):
                stages[stage].append((end - begin) * 1e3)
    for stage, took in stages.items():
        report.add(f"README's program, cached: {stage}", "ms", sample(took))
