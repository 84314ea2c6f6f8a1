"""Aggregates in the interpreter: declarations, exact results, and programs that are interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    testing,
    u32,
)
from pyebpf.dsl.aggregates import Aggregate
from pyebpf.dsl.probes import Probe
from pyebpf.errors import PyebpfError
from pyebpf.ir import nodes
from pyebpf.spec.aggregates import PARTS, SummarySpec

WORD = st.integers(0, 2**64 - 1)
SIGNED = st.integers(-(2**63), 2**63 - 1)

passes = Count()
calls = Count[u32](max_keys=4)
total = Sum(unit="bytes")
least, most = Min(), Max()
low, high = Min(signed=True), Max(signed=True)
mean = Average(unit="us")
stats = Stats[u32](unit="us", max_keys=4)
fine = Log2Hist(unit="us", sub_buckets=8, totals=True)
series = TimeSeries(unit="bytes", step=1e-3, buckets=4)
by_key = TimeSeries[u32](step=1e-3, buckets=4, signed=True)


@raw_tracepoint("sys_enter")
def take(ctx: RawTracepointContext) -> None:
    value = ctx.args[0]
    passes.add()
    calls.add(value & 7)
    total.add(value & 0xFF_FFFF)
    least.add(value)
    most.add(value)
    low.add(cast(i64, value))
    high.add(cast(i64, value))
    mean.add(value & 0xFF_FFFF)
    stats[value & 1].add(value >> 8)
    fine.add(value)
    series.add(value & 0xFF_FFFF)
    by_key[3].add(-1)


@cache
def compiled(probe: Probe, without: str) -> testing.Simulation:
    return testing.run(probe, target=testing.target(without={without}, cpus=3))


@contextmanager
def anew(probe: Probe, without: str = "") -> Iterator[testing.Simulation]:
    """Give a simulation that is compiled once, with all its aggregates empty."""
    t = compiled(probe, without)
    for decl in (value for value in globals().values() if isinstance(value, Aggregate)):
        try:
            view = t[decl]
        except KeyError:  # another probe's
            continue
        if decl.key_type() is None:
            view.map.view()[...] = 0
        else:
            view.map.clear()
    yield t


def signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


@pytest.mark.parametrize("without", ["", "atomics"])
@given(values=st.lists(WORD, max_size=8))
@settings(max_examples=25, deadline=None)
def test_every_number_is_that_of_the_values(values: list[int], without: str) -> None:
    with anew(take, without) as t:
        for number, value in enumerate(values):
            t.set("cpu", number % 3)
            t.fire(take, value)
        small = [value & 0xFF_FFFF for value in values]
        assert t[passes].value == len(values)
        assert t[total].value == sum(small)
        assert t[least].value == min(values, default=None)
        assert t[most].value == max(values, default=None)
        assert t[low].value == min(map(signed, values), default=None)
        assert t[high].value == max(map(signed, values), default=None)
        assert t[mean].value == (sum(small) / len(small) if small else None)
        for key in (0, 1):
            mine = [value >> 8 for value in values if value & 1 == key]
            if mine:
                found = t[stats].snapshot()[key]
                assert (found.count, found.sum) == (len(mine), sum(mine))
                assert (found.min, found.max) == (min(mine), max(mine))
            else:
                assert key not in t[stats].snapshot()
        hist = t[fine].snapshot()
        assert (hist.count, hist.total) == (len(values), sum(values) % 2**64)
        assert (t[series].snapshot().count, t[series].snapshot().total) == (len(values), sum(small))
        if values:
            assert t[by_key].snapshot()[3].total == -len(values)


in_2, in_64 = Log2Hist(sub_buckets=2), Log2Hist(sub_buckets=64)
spread_over = Log2Hist[u32](totals=True)


@raw_tracepoint("sys_enter")
def spread(ctx: RawTracepointContext) -> None:
    spread_over.add(ctx.args[0], ctx.args[0])


@raw_tracepoint("sys_enter")
def divide(ctx: RawTracepointContext) -> None:
    in_2.add(ctx.args[0])
    in_64.add(ctx.args[0])


@given(WORD, st.integers(0, 63))
@settings(max_examples=100, deadline=None)
def test_the_slot_of_a_value_is_the_one_whose_edges_are_around_it(word: int, shift: int) -> None:
    value = word >> shift
    with anew(divide) as t:
        t.fire(divide, value)
        for hist, parts in ((in_2, 2), (in_64, 64)):
            found = t[hist].snapshot()
            slot = int(np.flatnonzero(found.counts)[0])
            low, high = int(found.edges[slot]), int(found.edges[slot + 1])
            assert low <= value < high
            assert high - low <= max(1, value // parts)


def test_a_full_map_counts_what_it_refuses() -> None:
    with testing.run(take) as t:
        for value in range(16):
            t.fire(take, value)
        # Four of the eight keys are there, each with the two values of its own.
        assert sorted(t[calls].snapshot().columns["count"].tolist()) == [2, 2, 2, 2]
        assert t.lost() == {"calls": 8}


def test_histograms_of_all_keys_are_one_array() -> None:
    with testing.run(spread) as t:
        for value in (1, 2, 2, 9):
            t.fire(spread, value)
        keys, counts = t[spread_over].rows()
        assert counts.shape == (3, 64)
        of = {key: np.flatnonzero(row).tolist() for key, row in zip(keys, counts, strict=True)}
        assert of == {1: [0], 2: [1], 9: [3]}
        assert counts.sum() == 4
    with testing.run(divide) as t, pytest.raises(TypeError, match="has no key"):
        t[in_2].rows()


def test_take_and_clear_begin_anew() -> None:
    with testing.run(take) as t:
        t.fire(take, 3)
        assert (t[total].take().value, t[calls].take()[3].count) == (3, 1)
        t.fire(take, 5)
        assert (t[total].take().value, dict(t[calls].take())) == (5, {5: t[calls].snapshot()[5]})
        t[total].clear()
        t[calls].clear()
        t[stats].clear()
        assert (t[total].value, len(t[calls].snapshot()), len(t[stats].snapshot())) == (0, 0, 0)
        for view, verb in ((t[most], "take"), (t[most], "clear"), (t[stats], "take")):
            with pytest.raises(TypeError, match="does not tell when its extremes were seen"):
                getattr(view, verb)()
        with pytest.raises(TypeError, match="has no keys to choose from"):
            t[total].top(3)
        assert t[passes].value == 2


def test_a_series_forgets_what_is_older_than_its_ring() -> None:
    with testing.run(take) as t:
        t.set("step_ns", 0)
        for now_ms, values in ((100, [1, 2]), (101, [3]), (103, [4]), (104, [5, 6])):
            t.set("now_ns", now_ms * 1_000_000)
            for value in values:
                t.fire(take, value)
        shown = t[series].snapshot()
        assert (shown.first, shown.counts.tolist()) == (101, [1, 0, 1, 2])
        assert shown.sums.tolist() == [3, 0, 4, 11]
        t.set("now_ns", 106_000_000)
        assert t[series].snapshot().counts.tolist() == [1, 2, 0, 0]
        t.set("now_ns", 200_000_000)
        assert (t[series].snapshot().count, len(t[series].snapshot().counts)) == (0, 0)


# -- interrupted


class Interruptions:
    """Runs of a probe on values, each interrupted by others where a plan says.

    They come as on one CPU: each ends before the one that it interrupted goes on.
    """

    def __init__(self, t: testing.Simulation, probe: Probe, plan: list[int], values: list[int]):
        self.t, self.probe, self.plan, self.values = t, probe, plan, values
        self.added: list[int] = []
        self.depth = 0

    def fire(self) -> None:
        if self.values:
            self.added.append(self.values.pop())
            self.t.fire(self.probe, self.added[-1])

    def before(self) -> None:
        if self.depth < 3 and self.plan and not self.plan.pop():
            self.depth += 1
            self.fire()
            self.depth -= 1

    def run(self) -> list[int]:
        """Return the values that were added, in the order of their starts."""
        memory = self.t.machine.memory
        find, read = memory.find, memory.read

        def found(address: int, size: int, instr: Any) -> Any:
            if isinstance(instr, nodes.Load | nodes.Store) and instr.volatile:
                self.before()
            return find(address, size, instr)

        def exchanged(address: int, size: int, instr: Any) -> Any:
            if isinstance(instr, nodes.CompareExchange):
                self.before()
            return read(address, size, instr)

        with patch.object(memory, "find", found), patch.object(memory, "read", exchanged):
            while self.values:
                self.fire()
        return self.added


bottom, top, ring = Min(), Max(), TimeSeries(step=1, buckets=2)


@raw_tracepoint("sys_enter")
def extremes(ctx: RawTracepointContext) -> None:
    bottom.add(ctx.args[0])
    top.add(ctx.args[0])


@raw_tracepoint("sys_enter")
def stepping(ctx: RawTracepointContext) -> None:
    ring.add(ctx.args[0])


#: At each access, whether it is let pass: 0 interrupts.
PLAN = st.lists(st.integers(0, 2), max_size=80)


@given(PLAN, st.lists(st.integers(0, 1000), min_size=1, max_size=12), st.booleans())
@settings(max_examples=120, deadline=None)
def test_interrupted_programs_lose_no_extreme(
    plan: list[int], values: list[int], atomics: bool
) -> None:
    with anew(extremes, "" if atomics else "atomics") as t:
        before = t.lost()
        added = Interruptions(t, extremes, plan, values).run()
        lost = {name: n for name, n in t.lost().items() if n > before.get(name, 0)}
        # The fourth exchange that fails is counted, which takes four programs that come between.
        assert t[bottom].value == min(added) or "bottom" in lost
        assert t[top].value == max(added) or "top" in lost
        assert not lost or (atomics and len(added) > 4)
        assert t[top].snapshot().count == len(added)


@given(PLAN, st.lists(st.integers(0, 1000), min_size=1, max_size=12))
@settings(max_examples=120, deadline=None)
def test_an_interrupted_series_is_exact_when_a_bucket_changes_hands(
    plan: list[int], values: list[int]
) -> None:
    with anew(stepping) as t:
        t.set("step_ns", 0)
        for second in (4, 5, 6):
            t.set("now_ns", second * 1_000_000_000)
            added = Interruptions(t, stepping, [*plan], [*values]).run()
            shown = t[ring].snapshot()
            assert (shown.counts[-1], shown.sums[-1]) == (len(added), sum(added))


# -- declarations

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no room": (lambda: Count[u32](max_keys=0), "Count: max_keys=0: a map holds at least 1 key"),
    "no width": (
        lambda: Count[int]().spec("m", 1),
        "key=<class 'int'> has no size in the kernel; use u8 … i64, …",
    ),
    "two keys": (
        lambda: Sum[u32](key=u32).spec("m", 1),
        "Sum is given two types of keys: leave out key=…",
    ),
    "sub-buckets": (
        lambda: Log2Hist(sub_buckets=3),
        "Log2Hist(sub_buckets=3): a power of two from 1 to 64 is needed",
    ),
    "no time": (
        lambda: TimeSeries(step=0),
        "TimeSeries(step=0, buckets=60): a step is 1e-9 s or more, and there are 2 buckets or more",
    ),
    "outside": (
        lambda: Count().add(),
        "add() works in a probe; outside, use session[…], the open map",
    ),
    "a key outside": (
        lambda: Stats[u32]()[1],
        "[] works in a probe; outside, use session[…], the open map",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_declared_wrongly_is_refused(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(PyebpfError) as refusal:
        make()
    assert str(refusal.value) == message


def test_brackets_and_the_argument_say_the_same() -> None:
    assert Count[u32]().spec("c", 4) == Count(key=u32).spec("c", 4)
    assert Count().spec("c", 4).max_entries == 4
    assert Log2Hist[u32]("us").aggregate() == Log2Hist("us", key=u32).aggregate()


def test_rows_of_cpus_do_not_share_cache_lines() -> None:
    assert Count().spec("c", 4).value_size == 64
    assert Count[u32]().spec("c", 4).value_size == 8


@pytest.mark.parametrize("kind", PARTS)
def test_the_cells_of_a_row_are_all_there_once(kind: str) -> None:
    shape = SummarySpec(kind)
    copies = {part: range(4) if part in ("min", "max") else range(1) for part in shape.parts}
    cells = [shape.cell(part, copy) for part, of in copies.items() for copy in of]
    assert sorted(cells) == [*range(shape.cells)]
