"""softirqs: exact numbers in a simulation, and in a machine of its own what the kernel counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyebpf import testing
from pyebpf.lib.interrupts import distribution, only_cpu
from pyebpf.tools import softirqs
from tests.programs import run, running
from tests.vm.native import is_alone

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

alone = pytest.mark.skipif(not is_alone(), reason="looks at all interrupts of a machine")
TIMER, NET_RX, TOOK_NS = 1, 3, 5_000


def handle(session: testing.Simulation, vector: int, times: int) -> None:
    """Handle interrupts of 5 microseconds."""
    session.machine.world.step_ns = 0
    for _ in range(times):
        session.fire(softirqs.on_entry, vector)
        session.advance(TOOK_NS)
        session.fire(softirqs.on_exit, vector)


def test_times() -> None:
    with testing.run(*softirqs.tool.probes) as session:
        session.fire(softirqs.on_exit, TIMER)  # it began before tracing did
        handle(session, NET_RX, 23)
        handle(session, TIMER, 5)
        assert softirqs.report(session) == [
            {"softirq": "net_rx", "usecs": 23 * 5},
            {"softirq": "timer", "usecs": 5 * 5},
        ]
        assert softirqs.report(session) == []


def test_counts() -> None:
    with testing.run(*softirqs.tool.probes, options={softirqs.counted: True}) as session:
        handle(session, NET_RX, 23)
        handle(session, 12, 1)
        rows = softirqs.report(session)
        assert rows == [{"softirq": "net_rx", "count": 23}, {"softirq": "12", "count": 1}]
        text = softirqs.show(session, rows)
        assert text.splitlines()[:2] == [
            "SOFTIRQ          TOTAL_count",
            "net_rx                    23",
        ]


def test_distributions_of_one_cpu() -> None:
    for cpu, counted in ((0, 23), (1, 0)):
        options = {distribution: True, only_cpu: cpu}
        with testing.run(*softirqs.tool.probes, options=options) as session:
            handle(session, NET_RX, 23)
            hists = softirqs.report(session)
            assert {key: hist.count for key, hist in hists.items()} == (
                {"net_rx": counted} if counted else {}
            )
            if counted:
                assert "softirq = net_rx" in softirqs.show(session, hists)
                assert hists["net_rx"].counts[2] == 23  # 4 to 7 microseconds


def numbers() -> dict[str, int]:
    """Return how often each kind was handled, as the kernel counts it."""
    _, *lines = Path("/proc/softirqs").read_text(encoding="ascii").splitlines()
    rows = (line.split() for line in lines)
    return {name.rstrip(":").lower(): sum(map(int, counts)) for name, *counts in rows}


@alone
def test_as_many_as_the_kernel_counts() -> None:
    before = numbers()
    with running("-m", "pyebpf.tools.softirqs", "-C", "-j") as tool:
        tool.wait_for_links(2)
        first = numbers()
        for _ in range(23):
            assert Path("/proc/self/status").read_bytes()
        last = numbers()
        done = tool.interrupt()
    after = numbers()
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    counts = {row["softirq"]: row["count"] for row in rows}
    assert "timer" in counts
    for name, count in counts.items():
        assert last[name] - first[name] <= count <= after[name] - before[name]


@pytest.mark.thorough
def test_wrong_command_lines() -> None:
    done = run("-m", "pyebpf.tools.softirqs", "-C", "-d")
    assert (done.code, done.out) == (2, "")
    assert "can only use -C or -d" in done.err
