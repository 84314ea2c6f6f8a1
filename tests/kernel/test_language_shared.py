"""Shared memory: global variables, and atomic changes from several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyebpf import (
    Array,
    Char,
    Global,
    Hash,
    PerCpuArray,
    RawTracepointContext,
    Session,
    chars,
    compare_exchange,
    exchange,
    fetch_add,
    fetch_or,
    i32,
    i64,
    raw_tracepoint,
    record,
    u8,
    u16,
    u32,
    u64,
)
from pyebpf.dsl.probes import Probe
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

WORD = (1 << 64) - 1
THREADS, TURNS = 4, 2_000


@record
class Account:
    owner: u32
    turns: u32
    balance: i64
    highest: u64
    lock: u64


accounts = Hash[u32, Account](max_entries=8)
tickets = Hash[u32, u64](max_entries=8)
bits = Array[u64](max_entries=2)
seen = Array[u8](max_entries=THREADS * TURNS)
total = Global[u64](0)
lowest = Global[i32](1_000_000)
rounds = Global[u64](5)
wrong = Global[u64](0)


@raw_tracepoint("sys_enter")
def hammer(ctx: RawTracepointContext) -> int:
    """Several CPUs at one record: a ticket each, a sum, and a maximum kept by exchange."""
    account = accounts.get(1)
    if account is None:
        return 0
    mine = fetch_add(account.balance, 1)
    if mine < 0 or mine >= THREADS_TIMES_TURNS:
        wrong.value += 1
    else:
        seen[mine] = 1
    account.turns += 1
    number = tickets.fetch_add(7, 3)
    if number % 3:
        wrong.value += 1
    total.value += number
    rounds.value -= 1
    bits[0] |= 1 << (mine & 63)
    bits[1] ^= 1
    for _ in range(64):  # at most so many others come between
        was = account.highest
        if ctx.args[0] <= was or compare_exchange(account.highest, was, ctx.args[0]) == was:
            break
    else:
        wrong.value += 1
    for _ in range(64):
        low = lowest.value
        if ctx.args[1] >= low or lowest.compare_exchange(low, ctx.args[1]) == low:
            break
    else:
        wrong.value += 1
    return 1


THREADS_TIMES_TURNS = THREADS * TURNS


def at_once(session: Session, probe: Probe, *, args: Any) -> None:
    """Fire a probe from several threads, each with its own numbers."""

    def run(number: int) -> None:
        for turn in range(TURNS):
            assert fire(session, probe, *args(number, turn)) == 1

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_several_cpus_change_one_record(
    requires: Callable[[str], None],
) -> None:
    requires("atomics")
    with loaded(hammer) as session:
        session[accounts][1] = (9, 0, 0, 0, 0)
        at_once(session, hammer, args=lambda n, turn: (turn * THREADS + n, 500_000 - turn - n))
        everything = THREADS * TURNS
        account = session[accounts][1]
        assert (account.owner, account.turns, account.balance) == (9, everything, everything)
        assert account.highest == everything - 1
        assert session[seen].view().sum() == everything
        assert session[tickets][7] == 3 * everything
        assert session[total].value == 3 * sum(range(everything))
        assert session[rounds].value == 5 - everything & WORD
        assert session[lowest].value == 500_000 - (TURNS - 1) - (THREADS - 1)
        assert session[bits].view().tolist() == [WORD, 0]
        assert session[wrong].value == 0
        assert session.lost() == {}


# -- what each operation gives

cells = Array[i64](max_entries=8)
answers = Array[i64](max_entries=32)
one_cpu = PerCpuArray[u32](max_entries=2)
small = Hash[u32, u32](max_entries=2)


@raw_tracepoint("sys_enter")
def results(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    answers[0] = cells.fetch_add(1, 5)
    answers[1] = cells.fetch_add(1, -7)
    answers[2] = cells.exchange(1, 40)
    answers[3] = cells.compare_exchange(1, 40, 41)
    answers[4] = cells.compare_exchange(1, 40, 42)
    answers[5] = cells.fetch_or(1, 0x100)
    answers[6] = cells.fetch_and(1, ~1)
    answers[7] = cells.fetch_xor(1, -1)
    answers[8] = cells[1]
    answers[9] = small.fetch_add(n, 1)
    answers[10] = small.fetch_add(n, 1)
    answers[11] = small.compare_exchange(n + 1, 0, 9)
    answers[12] = small.exchange(n + 2, 77)
    answers[13] = one_cpu.fetch_add(1, 1 << 31)
    answers[14] = one_cpu.fetch_add(1, 1 << 31)
    answers[15] = one_cpu.fetch_add(1, 1)
    answers[16] = exchange(cells[2], 6) + fetch_or(cells[2], 9)
    answers[17] = cells[2]
    cells[3] |= 12
    cells[3] &= 10
    cells[3] ^= 3
    return 1


def test_what_was_there_is_given(requires: Callable[[str], None]) -> None:
    requires("atomics")
    with loaded(results) as session:
        assert fire(session, results, 5) == 1
        found = session[answers].view().tolist()
        assert found[:9] == [0, 5, -2, 40, 41, 41, 0x129, 0x128, ~0x128]
        assert found[9:13] == [0, 1, 0, 0]
        assert found[13:18] == [0, 1 << 31, 0, 6, 15]
        assert session[cells].view()[3] == 11
        assert dict(session[small].items()) == {5: 2, 6: 9}
        assert session.lost() == {"small": 1}


@raw_tracepoint("sys_enter")
def beyond(ctx: RawTracepointContext) -> int:
    cells[0] = 1
    cells[0] += cells.fetch_add(ctx.args[0], 1)
    return 1


def test_an_element_that_is_not_there_ends_the_probe(requires: Callable[[str], None]) -> None:
    requires("atomics")
    with loaded(beyond) as session:
        assert fire(session, beyond, 7) == 1
        assert fire(session, beyond, 8) == 0
        assert fire(session, beyond, 1 << 32) == 0
        assert session[cells].view()[7] == 1
        assert session.lost() == {"cells": 2}


# -- global variables


@record
class Inner:
    pair: tuple[u8, u16]
    name: Char = chars(8)


@record
class State:
    level: i32
    ready: bool
    inner: Inner
    ticks: u64


flag = Global[bool](True)
level = Global[i32](-5)
byte = Global[u8](250)
pair = Global[tuple[u32, bool]]((7, True))
state = Global[State]({"level": -1, "ready": True, "inner": ((1, 2), "first"), "ticks": 1 << 40})
empty = Global[State]()
copies = Hash[u32, State](max_entries=4)


@raw_tracepoint("sys_enter")
def use_globals(ctx: RawTracepointContext) -> int:
    if not flag.value:
        return 2
    level.value = level.value * 2 + ctx.args[0]
    byte.value = byte.value + 10
    state.value.level += level.value
    state.value.ticks += 1
    state.value.inner.name = "second"
    empty.value = State(level=state.value.level, ready=state.value.ready, ticks=9)
    copies[1] = state.value
    copies[2] = empty.value
    flag.value = ctx.args[0] != 3
    state.value.ticks += 1
    return state.value.ticks == (1 << 40) + 2


def test_globals_are_shared_both_ways() -> None:
    with loaded(use_globals) as session:
        assert [session[g].value for g in (flag, level, byte)] == [True, -5, 250]
        assert session[state].value.inner.name == "first"
        assert fire(session, use_globals, 1) == 1
        assert [session[g].value for g in (flag, level, byte)] == [True, -9, 4]
        first = session[state].value
        assert (first.level, first.ready, first.ticks) == (-10, True, (1 << 40) + 2)
        assert (tuple(first.inner.pair), first.inner.name) == ((1, 2), "second")
        assert session[empty].value == {
            "level": -10,
            "ready": True,
            "inner": session[empty].value.inner,
            "ticks": 9,
        }
        assert session[copies][1].ticks == (1 << 40) + 1
        assert session[copies][2] == session[empty].value
        session[level].value = 100
        assert fire(session, use_globals, 3) == 0
        assert session[level].value == 203
        assert session[flag].value is False
        assert fire(session, use_globals, 1) == 2
        session[state].view()["ticks"] = 5
        assert session[state].value.ticks == 5
        with pytest.raises(ValueError, match="does not fit"):
            session[byte].value = 256
        with pytest.raises(KeyError):
            session[pair]
    with loaded(use_globals) as again:
        assert again[level].value == -5  # a session of its own


NAMES = """
from pyebpf import *

license = Global[u64](1)
pyebpf_print = Hash[u32, u64](max_entries=4)
pyebpf_lost = Hash[u32, u64](max_entries=4)
zähler = Hash[u32, u64](max_entries=4)
zöhler = Hash[u32, u64](max_entries=4)

@noinline
def größer(länge: u64) -> u64:
    return länge * 2

@raw_tracepoint("sys_enter")
def läuft(ctx: RawTracepointContext) -> None:
    π = größer(ctx.args[0])
    license.value += π
    pyebpf_print[1], pyebpf_lost[1] = 3, 4
    zähler[1], zöhler[1] = π, 2 * π
    print("größer", π)
"""


def test_names_may_be_any_that_python_has() -> None:
    made = cell(NAMES)
    assert made.läuft.name == "l_uft"
    with loaded(made.läuft) as session:
        fire(session, made.läuft, 5)
        assert session[made.license].value == 11
        maps = (made.pyebpf_print, made.pyebpf_lost, made.zähler, made.zöhler)
        assert [session[each][1] for each in maps] == [3, 4, 10, 20]
        assert list(session.lines(0.1)) == ["größer 10\n"]
        assert session.lost() == {}
