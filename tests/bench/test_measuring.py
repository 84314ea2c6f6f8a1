"""The benchmarks' own arithmetic: what a report says is what was measured. Measures nothing."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench import test_compile
from tests.bench.measure import sample, timed
from tests.bench.report import Report, number
from tests.bench.starting import Contestant, environment, started
from tests.bench.test_start import counted

STARS = """
     usecs               : count    distribution
         0 -> 1          : 0        |                                        |
         2 -> 3          : 20       |****************************************|
         4 -> 7          : 3        |******                                  |
"""
BRACKETS = """Attaching 2 probes...
@usecs:
[2, 4)                20 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|
[8K, 16K)              3 |@@@@@@@                                             |
"""


@pytest.mark.parametrize("text", [STARS, BRACKETS])
def test_the_requests_of_each_tool_are_counted(text: str) -> None:
    assert counted(text) == 23


@pytest.mark.parametrize(
    ("value", "shown"), [(0.00497, "0.00497"), (1.867, "1.87"), (67.31, "67.3"), (1113.2, "1113")]
)
def test_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_the_least_is_judged_and_compared() -> None:
    report = Report()
    beside = [("slow", sample([40, 80])), ("quick", sample([5]))]
    report.add("a start", "ms", sample([20, 10, 90]), 12, beside)
    report.add("another", "ms", sample([20, 13]), 12)
    report.note("a note")
    text = report.text()
    assert re.search(r"a start +ms +10 +20 +12 +yes +slow +40 +60 +0\.25 x\n", text)
    assert re.search(r"\n +quick +5 +5 +2\.00 x\n", text)
    assert re.search(r"another +ms +13 +16\.5 +12 +NO\n", text)
    assert text.endswith("- a note")


def test_a_time_is_that_of_one_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0, 8_000, 10_000, 20_000])
    clock = SimpleNamespace(perf_counter_ns=lambda: next(now))
    monkeypatch.setattr("tests.bench.measure.time", clock)
    calls: list[str] = []
    run, before = (lambda: calls.append("run")), (lambda: calls.append("before"))
    assert timed(run, 2, loops=2, before=before).scaled(1e9).values == (4_000, 5_000)
    assert calls == ["before", "run", "run"] * 2


def test_the_time_of_inner_stages_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0, 10, 40, 100])
    monkeypatch.setattr(test_compile, "time", SimpleNamespace(perf_counter=lambda: next(now)))
    clock = test_compile.Clock()
    inner = clock.around("inner", lambda: None)
    clock.around("outer", inner)()
    assert clock.spent == {"inner": 30, "outer": 70}


def program(text: str, **more: Any) -> Contestant:
    return Contestant("it", [sys.executable, "-c", text], **more)


def test_a_start_ends_at_the_marker() -> None:
    text = """if True:
        import time
        kept = bytearray(40_000_000)
        while time.process_time() < 0.1: pass
        try:
            print("attached")
            time.sleep(60)
        except KeyboardInterrupt:
            print("done")
    """
    with started(program(text)) as (running, took):
        assert running.finish() == "attached\ndone\n"
    assert took.cpu_s >= 0.1
    assert took.wall_s >= took.cpu_s / 2
    assert took.peak_bytes > 40_000_000


def test_a_program_that_fails_says_why() -> None:
    said = r"it did not say b'attached': b''\nno such luck"
    failing = program("raise SystemExit('no such luck')")
    with pytest.raises(RuntimeError, match=said), started(failing):
        raise AssertionError("it was not to start")


def test_nothing_keeps_a_measured_python_from_its_bytecode(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    given = environment(tmp_path)
    assert [name for name in given if name.startswith("PYTHON")] == []
    assert given["PYEBPF_CACHE_DIR"] == str(tmp_path)
