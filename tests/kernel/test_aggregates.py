"""Aggregates in the kernel: exact whoever adds, from all CPUs at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyebpf import (
    Average,
    Count,
    Log2Hist,
    Max,
    Min,
    RawTracepointContext,
    Stats,
    Sum,
    TimeSeries,
    cast,
    i64,
    raw_tracepoint,
    u32,
)
from pyebpf.runtime.features import KernelFeatures
from pyebpf.spec.target import Lack
from pyebpf.targets import host_target
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

THREADS, RUNS = 8, 500

passes = Count()
calls = Count[u32](max_keys=4)
total = Sum(unit="bytes")
least, most = Min(), Max()
low, high = Min(signed=True), Max(signed=True)
mean = Average(unit="us")
stats = Stats[u32](unit="us")
fine = Log2Hist(unit="us", sub_buckets=8, totals=True)
by_key = Log2Hist[u32](unit="us", sub_buckets=64, totals=True)
series = TimeSeries(unit="bytes", step=1e-2, buckets=4096)
keyed_series = TimeSeries[u32](step=3600, buckets=2)


@raw_tracepoint("sys_enter")
def take(ctx: RawTracepointContext) -> int:
    value = ctx.args[0]
    passes.add()
    calls.add(7)
    total.add(value)
    least.add(value)
    most.add(value)
    low.add(cast(i64, value) - 1_000)
    high.add(cast(i64, value) - 1_000)
    mean.add(value)
    stats[7].add(value)
    fine.add(value)
    by_key[7].add(value)
    series.add(value)
    keyed_series.add(7, value)
    return 1


class Older(KernelFeatures):
    """The running kernel's features, without what Linux 5.12 brought."""

    def lack(self, name: str) -> Lack | None:
        return Lack() if name == "atomics" else super().lack(name)


def at_once(run: Callable[[int], None]) -> None:
    """Run something in many threads, each on a CPU of its own as far as there are some."""
    cpus = sorted(os.sched_getaffinity(0))
    ready = threading.Barrier(THREADS)
    failed: list[Exception] = []

    def body(number: int) -> None:
        try:
            os.sched_setaffinity(0, {cpus[number % len(cpus)]})
            ready.wait()
            run(number)
        except Exception as err:  # noqa: BLE001 - told by the test, not by a dying thread
            ready.abort()
            failed.append(err)

    threads = [threading.Thread(target=body, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.parametrize("way", ["this kernel's", "before 5.12"])
def test_eight_threads_on_one_key_and_one_histogram(way: str) -> None:
    values = [[1 + number + THREADS * run for run in range(RUNS)] for number in range(THREADS)]
    target = host_target().replace(features=Older()) if way == "before 5.12" else None
    with loaded(take, target=target) as session:

        def run(number: int) -> None:
            for value in values[number]:
                fire(session, take, value)

        at_once(run)
        added = [value for some in values for value in some]
        n, whole = len(added), sum(added)
        assert session[passes].value == session[calls].snapshot()[7].value == n == 4000
        assert session[total].value == whole
        assert (session[least].value, session[most].value) == (1, max(added))
        assert (session[low].value, session[high].value) == (-999, max(added) - 1_000)
        assert (session[mean].snapshot().count, session[mean].value) == (n, whole / n)
        found = session[stats].snapshot()[7]
        assert (found.count, found.sum, found.min, found.max) == (n, whole, 1, max(added))
        one = session[fine].snapshot()
        assert (one.count, one.total) == (n, whole)
        assert one.counts.tolist() == counted(added, one.edges)
        other = session[by_key].snapshot()[7]
        assert other.counts.tolist() == counted(added, other.edges)
        assert other.coarser(8) == one
        for shown in (session[series].snapshot(), session[keyed_series].snapshot()[7]):
            assert (shown.count, shown.total) == (n, whole)
        assert session.lost() == {}


def counted(values: list[int], edges: Any) -> list[int]:
    """Count values between edges, one by one."""
    ends = [int(edge) for edge in edges]
    counts = [0] * (len(ends) - 1)
    for value in values:
        counts[next(slot for slot, end in enumerate(ends[1:]) if value < end)] += 1
    return counts


@raw_tracepoint("sys_enter")
def fill(ctx: RawTracepointContext) -> int:
    calls.add(ctx.args[0])
    stats.add(ctx.args[0], 5)
    return 1


def test_keys_without_room_are_counted() -> None:
    with loaded(fill) as session:
        for key in range(10):
            assert fire(session, fill, key) == 1
        assert session.lost() == {"calls": 6}
        assert len(session[calls].snapshot()) == 4
        assert session[stats].snapshot().total().count == 10
        assert session[stats].top(2).total().count == 2


def test_snapshots_of_two_sessions_merge() -> None:
    parts = []
    for values in ([1, 5], [2**63, 3]):
        with loaded(take) as session:
            for value in values:
                fire(session, take, value)
            parts.append([session[one].snapshot() for one in (passes, mean, stats, fine, by_key)])
    merged = [one + two for one, two in zip(*parts, strict=True)]
    assert [merged[0].value, merged[1].count, merged[2][7].max] == [4, 4, 2**63]
    assert merged[3].count == merged[4][7].count == 4
