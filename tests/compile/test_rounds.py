"""How often a program is checked: again only where a variable became something else meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from pyebpf import Array, Hash, compile_probes, ktime_get_ns, raw_tracepoint, tid, u32, u64
from pyebpf.dsl.check import programs
from tests import frozen

began = Hash[u32, u64](max_entries=16)
out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def known_at_once() -> None:
    start = began.pop(tid())
    if start is not None:
        took = ktime_get_ns() - start
        out[0] = took


@raw_tracepoint("sys_enter")
def none_at_first() -> None:
    start = None
    if tid() > 7:
        start = began.get(tid())
    if start is not None:
        out[0] = start


@raw_tracepoint("sys_enter")
def counts_up() -> None:
    total = 0
    for turn in range(4):
        total += turn
    out[1] = total


@pytest.mark.parametrize(
    ("probe", "once"), [(known_at_once, True), (none_at_first, False), (counts_up, False)]
)
def test_what_is_known_at_once_is_checked_once(
    probe: Any, once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = []
    check = programs._check
    monkeypatch.setattr(programs, "_check", lambda *given: rounds.append(1) or check(*given))
    compile_probes(probe, target=frozen.target())
    assert (len(rounds) == 1) is once
