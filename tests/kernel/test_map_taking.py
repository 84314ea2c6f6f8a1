"""What programs write while user space takes: it is in one taking, and in one only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Array,
    ArrayOfMaps,
    Hash,
    HashOfMaps,
    LpmTrie,
    LruHash,
    PerCpuArray,
    PerCpuHash,
    Queue,
    RawTracepointContext,
    ipv4,
    raw_tracepoint,
    record,
    u16,
    u32,
    u64,
)
from pyebpf.abi import constants as c
from pyebpf.runtime import syscall
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

#: What one run of the program does, and how often each thread runs it at most.
BURST, THREADS, MOST = 20, 2, 300
TAKINGS = 8


@record
class Pair:
    whole: u64
    half: u32
    part: u16


entries = Hash[u64, u64](max_entries=65_536)
recent = LruHash[u64, u64](max_entries=262_144)
on_cpus = PerCpuHash[u64, u64](max_entries=65_536)
routes = LpmTrie[IPv4Address, u64](max_entries=1_024)
waiting = Queue[u64](max_entries=65_536)
on_each = PerCpuArray[u32](max_entries=3)
pairs = Array[Pair](max_entries=2)
by_turn = ArrayOfMaps(Hash[u32, u64](max_entries=64), max_entries=1)
declared = Hash[u64, u64](max_entries=64)
by_declared = ArrayOfMaps(declared, (declared,))
by_name = HashOfMaps(PerCpuHash[u32, u64](max_entries=64), key=u32)
cells = Array[u64](max_entries=1)
grown = Hash[u64, u64](max_entries=256)
grown_on_cpus = PerCpuHash[u32, u64](max_entries=256)
grown_pairs = Hash[tuple[u32, u16], Pair](max_entries=256)


@raw_tracepoint("sys_enter")
def insert(ctx: RawTracepointContext) -> None:
    for i in range(BURST):
        key = ctx.args[0] * BURST + i
        entries[key] = key + 1
        recent[key] = key + 1
        on_cpus[key] = key + 1
        waiting.push(key)


@raw_tracepoint("sys_enter")
def come_and_go(ctx: RawTracepointContext) -> None:
    for i in range(BURST):
        number = BURST * (ctx.args[0] & 1) + i
        entries[1_000 + number] = 1
        routes[ipv4(1_000 + number), 32] = 1
        del entries[1_000 + number]
        del routes[ipv4(1_000 + number), 32]


@raw_tracepoint("sys_enter")
def add(ctx: RawTracepointContext) -> None:
    turn = by_turn.get(0)
    name = by_name.get(7)
    for i in range(BURST):
        if turn is not None:
            turn[i % 8] += 1
        if name is not None:
            name[i % 8] += 1
        cells[0] += 1
        on_each[i % 3] += 1
        pairs[i % 2].whole += 1
        pairs[i % 2].half += 1


@raw_tracepoint("sys_enter")
def grow(ctx: RawTracepointContext) -> None:
    number = ctx.args[0]
    for i in range(BURST):
        grown[i % 8] += 1
        grown[1_000 + number % 64] += 2
        grown_on_cpus[i % 8] += 1
        pair = grown_pairs.setdefault((i % 8, 7), Pair(whole=0, half=0, part=0))
        pair.whole += 3
        pair.half += 1


@contextmanager
def writing(
    session: Any, probe: Any, most: int = MOST, threads_at_once: int = THREADS
) -> Iterator[list[int]]:
    """Run a program in threads until the block is left; give the numbers that it had."""
    numbers: list[int] = []
    stop = threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + most):
            fire(session, probe, number)
            numbers.append(number)
            if stop.is_set():
                break

    threads = [threading.Thread(target=write, args=(at * most,)) for at in range(threads_at_once)]
    for thread in threads:
        thread.start()
    try:
        yield numbers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def inserted(numbers: list[int]) -> list[int]:
    """Return the keys that the program made of its numbers."""
    return sorted(number * BURST + i for number in numbers for i in range(BURST))


THOROUGH = [pytest.param(each, marks=pytest.mark.thorough) for each in (recent, on_cpus)]


@pytest.mark.parametrize("batches", [True, False])
@pytest.mark.parametrize("declared", [entries, *THOROUGH])
def test_what_is_inserted_meanwhile_is_taken_once(declared: Any, batches: bool) -> None:
    with loaded(insert) as session:
        view = session[declared]
        if not batches:
            view._reader.lacking |= {c.BPF_MAP_LOOKUP_BATCH, c.BPF_MAP_LOOKUP_AND_DELETE_BATCH}
        with writing(session, insert) as numbers:
            taken = [view.take() for _ in range(TAKINGS)]
        taken.append(view.take())
        assert len(view) == 0
        assert session.lost() == {}
    keys = np.concatenate([keys for keys, _ in taken])
    values = np.concatenate([values for _, values in taken])
    assert sorted(keys.tolist()) == inserted(numbers)
    assert ((values if values.ndim == 1 else values.max(axis=1)) == keys + 1).all()


@pytest.mark.parametrize("batches", [True, False])
def test_what_stays_is_in_each_snapshot_once(batches: bool) -> None:
    with loaded(come_and_go) as session:
        views = session[entries], session[routes]
        views[0].update_many(range(500), range(500))
        views[1].update({IPv4Address(at): at for at in range(500)})
        for view in views:
            view._reader._count = 64  # many small batches
            if not batches:
                view._reader.lacking |= {c.BPF_MAP_LOOKUP_BATCH}
        with writing(session, come_and_go, 10_000_000):
            for _ in range(TAKINGS):
                found, of = views[0].snapshot()
                stay = found < 500
                assert sorted(found[stay].tolist()) == [*range(500)]
                assert (of[stay] == found[stay]).all()
                addresses = [int(net.network_address) for net in views[1]]
                assert len({*addresses}) == len(addresses)
                if not views[1]._reader.lacking:
                    assert {*addresses} >= {*range(500)}


def test_what_is_pushed_meanwhile_is_taken_once() -> None:
    with loaded(insert) as session:
        taken: list[int] = []
        with writing(session, insert) as numbers:
            for _ in range(TAKINGS):
                taken += session[waiting].take().tolist()
        taken += session[waiting].take().tolist()
        assert session.lost() == {}
    assert sorted(taken) == inserted(numbers)


def test_a_map_that_was_swapped_out_has_every_addition() -> None:
    with loaded(add) as session:
        session[by_turn].make(0).close()
        session[by_name].make(7).close()
        sums = [0, 0]

        def swap() -> None:
            for at, (view, key) in enumerate(((session[by_turn], 0), (session[by_name], 7))):
                with view.swap(key) as past:
                    first, second = past.snapshot(), past.snapshot()
                    assert first[1].sum() == second[1].sum()  # nobody writes to it any more
                    sums[at] += int(first[1].sum())

        with writing(session, add, 10_000_000) as numbers:
            for _ in range(TAKINGS):
                swap()
        swap()
        total = BURST * len(numbers)
        assert session[cells][0] == total > 0
        assert sums == [total, total]
        with pytest.raises(KeyError):
            session[by_name].swap(8)


@raw_tracepoint("sys_enter")
def add_declared(ctx: RawTracepointContext) -> None:
    turn = by_declared.get(0)
    if turn is not None:
        turn[ctx.args[0]] += 1


def test_a_map_is_swapped_without_the_right_to_open_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> int:
        raise AssertionError("only CAP_SYS_ADMIN may open a map by its number")

    monkeypatch.setattr(syscall, "fd_by_id", refuse)
    with loaded(add_declared) as session:
        for number in range(4):
            fire(session, add_declared, number)
            with session[by_declared].swap(0) as past:
                assert past.items() == [(number, 1)]
        assert len(session[declared]) == 1  # it was in the entry at first


@pytest.mark.parametrize("batches", [True, False])
def test_what_eight_threads_add_is_there_once_and_all_of_it(batches: bool) -> None:
    """Entries stay, so that no addition finds one that was taken meanwhile."""
    with loaded(grow) as session:
        views = [session[each] for each in (grown, grown_on_cpus, grown_pairs)]
        if not batches:
            for view in views:
                view._reader.lacking |= {c.BPF_MAP_LOOKUP_BATCH}
        sums = dict.fromkeys(("ones", "twos", "on cpus", "whole", "half"), 0)

        def look() -> None:
            keys, values = views[0].added()
            sums["ones"] += int(values[keys < 8].sum())
            sums["twos"] += int(values[keys >= 1_000].sum())
            sums["on cpus"] += int(views[1].added()[1].sum())
            pairs = views[2].added()[1]
            sums["whole"] += int(pairs["whole"].sum())
            sums["half"] += int(pairs["half"].sum(dtype=np.uint64))

        with writing(session, grow, 10_000_000, 8) as numbers:
            for _ in range(TAKINGS * 5):
                look()
        look()
        n = BURST * len(numbers)
        assert list(sums.values()) == [n, 2 * n, n, 3 * n, n]
        assert n > 0
        for view in views:
            assert len(view.added()[0]) == 0  # nothing since
            assert len(view) > 0
        assert session.lost() == {}


def test_arrays_are_taken_with_every_addition(requires: Callable[[str], None]) -> None:
    requires("atomics")
    with loaded(add) as session:
        session[cells].take()  # what loads its programs is not what is tested
        sums = [0, 0, 0, 0]

        def take() -> None:
            pair = session[pairs].take()[1]
            parts = (
                session[cells].take()[1],
                session[on_each].take()[1],
                pair["whole"],
                pair["half"],
            )
            for at, part in enumerate(parts):
                sums[at] += int(part.sum())

        with writing(session, add, 10_000_000) as numbers:
            for _ in range(TAKINGS * 10):
                take()
        take()
        assert sums == [BURST * len(numbers)] * 4


def test_without_atomic_instructions_arrays_are_copied_and_set_to_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with loaded(add) as session:
        fire(session, add)
        for declared in (cells, on_each):
            view = session[declared]
            monkeypatch.setattr(view, "_exchangeable", False)
            keys, values = view.take()
            assert keys.tolist() == [*range(len(declared))]
            assert values.sum() == BURST
            assert not view.snapshot()[1].any()
