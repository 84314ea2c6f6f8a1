"""The benchmarks' own arithmetic: what a report says is what was measured. Measures nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.bench import page, test_compile
from tests.bench.measure import sample, timed
from tests.bench.plot import drawing
from tests.bench.report import Curve, Report, number
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


CURVE = Curve("many", "A question", "things", "ms", {"one": [(1, 0), (10, 2), (1000, 30)]})


def test_points_are_drawn_where_their_logarithms_are() -> None:
    text = drawing(CURVE)
    assert ET.fromstring(text).tag.endswith("svg")
    (points,) = re.findall(r'polyline class="line".* points="(.*)"', text)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    # From 10 to 1,000 is all of the width, from 1 to 100 all of the height; nothing has no place.
    assert [x for x, _ in places] == [84, 584]
    assert [round(1 - (y - 16) / 280, 2) for _, y in places] == [0.15, 0.74]


def test_what_is_nothing_everywhere_is_not_drawn(tmp_path: Path) -> None:
    report = Report()
    report.curve(CURVE._replace(lines={"one": [(1, 0), (10, 0)]}))
    page.write(report, tmp_path / "page.md")
    assert list(tmp_path.rglob("*.svg")) == []
    assert "| 10 | 0 |" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_a_page_has_budgets_curves_and_what_failed(tmp_path: Path) -> None:
    report = Report()
    report.add("a start", "ms", sample([20, 10]), 12, [("slow", sample([40]))])
    report.add("not judged", "ms", sample([20]))
    report.curve(CURVE)
    report.version("tool", "1.2")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "gone.svg").touch()  # of a run before
    page.write(report, tmp_path / "page.md", ["tests/x.py::test_y"])
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    budgets = text.partition("## Budgets")[2].partition("## How")[0]
    assert "| a start | ms | 12 | 10 | 15 | yes | slow | 40 | 0.25 |" in budgets
    assert "not judged" not in budgets
    assert "tool 1.2" in text
    assert "**Not measured, since it failed: `tests/x.py::test_y`**" in text
    assert "![A question](page/many.svg)" in text
    assert "| 1,000 | 30 |" in text
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["many.svg"]


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
