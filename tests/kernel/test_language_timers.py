"""Timers: they call their function once, in time, unless they are cancelled or moved."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import pytest

from pyebpf import Array, Global, Hash, Timer, i32, load, record, syscall, u32, u64
from pyebpf import testing as simulated
from tests.programs import until

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("_timers")]


@pytest.fixture
def _timers(requires: Callable[[str], None]) -> None:
    requires("helper:timer_init")
    requires("syscall_prog")


@record
class Job:
    number: u32


@record
class Later:
    value: u64
    timer: Timer


@record
class Beat:
    timer: Timer
    left: u32


later = Hash[u32, Later](max_entries=64)
beats = Array[Beat](max_entries=1)
total = Global[u64](0)
turns = Global[u64](0)
delay = Global[u64](2_000_000)


def expired(key: u32, entry: Later) -> None:
    total.value += entry.value + key
    del later[key]


def beat(number: u32, entry: Beat) -> None:
    turns.value += 1
    if entry.left == 0:
        return
    entry.left -= 1
    entry.timer.start(100_000, beat)


@syscall
def begin(job: Job) -> i32:
    later[job.number] = Later(value=1_000)
    entry = later.get(job.number)
    if entry is None:
        return -1
    return entry.timer.start(delay.value, expired)


@syscall
def cancel(job: Job) -> i32:
    entry = later.get(job.number)
    return entry.timer.cancel() if entry is not None else -2


@syscall
def repeat() -> i32:
    beats[0].left = 9
    return beats[0].timer.start(100_000, beat)


def test_each_entry_expires_once_and_is_removed_by_its_function() -> None:
    with load(begin) as session:
        for number in range(1, 24):
            assert session.test_run(begin, {"number": number}).result == 0
        until(lambda: session[total].value == 23 * 1_000 + sum(range(1, 24)))
        assert list(session[later].items()) == []
        time.sleep(0.01)
        assert session[total].value == 23 * 1_000 + sum(range(1, 24))


def test_a_cancelled_timer_never_calls() -> None:
    with load(begin, cancel) as session:
        session[delay].value = 60_000_000_000  # however slow the machine is, it is still to come
        session.test_run(begin, {"number": 7})
        assert session.test_run(cancel, {"number": 7}).result == 1
        assert session.test_run(cancel, {"number": 7}).result == 0
        assert session.test_run(cancel, {"number": 8}).result == -2
        assert session[total].value == 0
        assert list(session[later].keys()) == [7]


def test_a_timer_starts_itself_again() -> None:
    with load(repeat) as session:
        assert session.test_run(repeat).result == 0
        until(lambda: session[turns].value == 10)
        time.sleep(0.005)
        assert session[turns].value == 10


def test_in_user_space_timers_run_when_time_goes_on() -> None:
    with simulated.run(begin, cancel, repeat) as t:
        for number in (1, 2, 3):
            t.fire(begin, number=number)
        t.fire(cancel, number=2)
        assert t.advance(1_000_000) == 0
        assert t.advance(1_500_000) == 2
        assert t[total].value == 2_004
        assert [key for key, _ in t[later].items()] == [2]
        t.fire(repeat)
        assert t.advance(10_000_000) == 10
        assert t[turns].value == 10
        assert t.fire(cancel, number=4) == -errno.ENOENT
