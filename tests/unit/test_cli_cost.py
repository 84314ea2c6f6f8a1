"""A tool that is measured, or has a ceiling: what it prints, and how it ends."""

from __future__ import annotations

import json
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pyebpf.cli import Tool
from pyebpf.cli import cost as measuring
from pyebpf.cost import Exceeded
from pyebpf.present.cost import Cost, Costs

COST = Costs([Cost("probe", "tp_btf sys_enter", 1_000_000, 80_000_000, 0, 2.0, 4)], 2.0, 4)
TOO_MUCH = (
    "counted: detached: the probes took 1.00 % of all CPUs in 2.0 s, and the ceiling is 0.5 %; "
    "most of it `probe` at tp_btf sys_enter: 1,000,000 hits of 80 ns. Trace less, or allow more "
    "(--max-overhead)\n"
)


class Pretended:
    """A session whose programs take too much as soon as somebody waits."""

    def __init__(self) -> None:
        self.compiled = types.SimpleNamespace(prints=(), programs=[])
        self.exceeded: Exceeded | None = None
        self.detached = False

    def limit_overhead(self, percent: float, then: Callable[[Exceeded], object]) -> None:
        found = Exceeded(percent, COST)

        def exceed() -> None:
            self.exceeded = found
            then(found)

        threading.Timer(0.05, exceed).start()

    def detach(self) -> None:
        self.detached = True

    def cost(self) -> Costs:
        assert self.detached
        return COST

    def lost(self) -> dict[str, int]:
        return {}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let nothing be loaded; give what it would be loaded with."""
    words: list[dict[str, Any]] = []

    @contextmanager
    def load(*_: object, **asked: Any) -> Iterator[Pretended]:
        words.append(asked)
        yield Pretended()

    monkeypatch.setattr(measuring, "load", load)
    return words


def tool(**words: Any) -> Tool[Any]:
    sys.modules["counted"] = types.ModuleType("counted")
    return Tool("counted", probes=[], **words)


def test_the_cost_is_said_at_the_end(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    counting = tool(report=lambda _: {"n": 7})
    assert counting.main(["0.01", "2", "--cost"]) == 0
    assert asked == [{"options": {}, "measure_cost": True}]
    out, err = capsys.readouterr()
    assert out == "\n{'n': 7}\n\n{'n': 7}\n"
    assert err == f"\n{COST}\n"
    assert counting.main(["0.01", "1", "--cost", "-j"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["n"] == 7
    assert json.loads(err)["hits"] == 1_000_000
    assert counting.main(["0.01", "1", "--cost", "--csv"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("ts,n\n")
    assert err.startswith("ts,program,hook,hits,hits_per_s,time_ns,ns_per_hit,entry_ns,")


def test_a_ceiling_ends_it_with_what_it_has(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    counting = tool(report=lambda _: {"n": 7})
    assert counting.main(["--max-overhead", "0.5 %"]) == 3
    assert asked == [{"options": {}, "measure_cost": False}]
    assert capsys.readouterr() == ("\n{'n': 7}\n", TOO_MUCH)
    assert counting.main(["--max-overhead=0.5", "--cost"]) == 3
    assert capsys.readouterr().err == f"{TOO_MUCH}\n{COST}\n"


def test_a_ceiling_that_is_not_reached(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool(report=lambda _: {"n": 7}).main(["0.01", "1", "--max-overhead", "50"]) == 0
    assert capsys.readouterr().err == ""
    time.sleep(0.1)  # the session that is pretended would say so later


def test_what_has_the_session_is_interrupted(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    def follow(_: object) -> None:
        time.sleep(60)

    assert tool(follow=follow).main(["--max-overhead", "0.5"]) == 3
    assert capsys.readouterr().err == TOO_MUCH  # once


@pytest.mark.parametrize("share", ["0", "-1", "101", "x", "nan", "%"])
def test_a_ceiling_is_a_share(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool(report=lambda _: {}).main([f"--max-overhead={share}"]) == 2
    assert f"--max-overhead: '{share}' is no share: above 0 %" in capsys.readouterr().err
