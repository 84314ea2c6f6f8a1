"""What probes do with maps, records, histograms, printed lines and the kernel's own objects."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import (
    Array,
    Char,
    Const,
    Events,
    Hash,
    LinearHist,
    Log2Hist,
    LruHash,
    PerCpuArray,
    Ptr,
    RawTracepointContext,
    chars,
    comm,
    cpu,
    current_task,
    gid,
    has_field,
    i32,
    i64,
    ktime_get_ns,
    pid_tgid,
    raw_tracepoint,
    record,
    sizeof,
    tgid,
    tid,
    u8,
    u16,
    u32,
    u64,
    uid,
)
from pyebpf.kernel import task_struct
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

WORD = (1 << 64) - 1
BIG = 1 << 63

# -- maps

numbers = Hash[u64, i64](max_entries=8)
pairs = Hash[tuple[u8, u32], u64](max_entries=8)
cells = Array[u64](max_entries=16)
per_cpu = PerCpuArray[u64](max_entries=2)
recent = LruHash[u32, u32](max_entries=4)
flags = Hash[bool, bool](max_entries=2)


@raw_tracepoint("sys_enter")
def map_verbs(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    numbers[1] = -5
    numbers[2] += n
    numbers[2] += 1
    numbers[3] -= 2
    numbers[4] = 44
    del numbers[4]
    del numbers[99]
    found = numbers.get(1)
    if found is not None:
        cells[0] = found + 100
    gone = numbers.pop(1)
    if gone is not None:
        cells[1] = gone * -2
    if numbers.pop(1) is None:
        cells[2] = 1
    cells[3] = (2 in numbers) * 10 + (1 in numbers) + (1 not in numbers) * 100
    cells[4] = numbers.setdefault(7, 70) + numbers.setdefault(7, 71)
    return 1


def test_verbs_of_a_hash() -> None:
    with loaded(map_verbs) as session:
        assert fire(session, map_verbs, 30) == 1
        assert dict(session[numbers].items()) == {2: 31, 3: -2, 7: 70}
        assert session[cells].view()[:5].tolist() == [95, 10, 1, 110, 140]
        assert session.lost() == {}


@raw_tracepoint("sys_enter")
def other_maps(ctx: RawTracepointContext) -> int:
    a, b = ctx.args[0], ctx.args[1]
    pairs[a, b] += 3
    pairs[1, 2] = 12
    key = (3, 4)
    pairs[key] = 34
    per_cpu[1] += a
    recent[a] = b
    flags[a > 1] = True
    cells[0] += 5
    cells[15] -= 1
    index = a & 7
    cells[index] = 9
    slot = cells.get(a + 100)
    if slot is None:
        cells[14] = 1
    return cells[0] == 5


def test_tuples_are_keys_and_arrays_are_shared() -> None:
    with loaded(other_maps) as session:
        assert fire(session, other_maps, 5, 6) == 1
        assert dict(session[pairs].items()) == {(5, 6): 3, (1, 2): 12, (3, 4): 34}
        view = session[cells].view()
        assert view.tolist() == [5, 0, 0, 0, 0, 9, *[0] * 8, 1, WORD]
        assert session[per_cpu][1].sum() == 5
        assert dict(session[recent].items()) == {5: 6}
        assert dict(session[flags].items()) == {True: True}


def test_an_index_past_the_end_is_counted_as_lost() -> None:
    with loaded(past_the_end) as session:
        assert fire(session, past_the_end, 16) == 1
        assert fire(session, past_the_end, 3) == 1
        assert session.lost() == {"cells": 2}
        assert session[cells].view()[3] == 2


@raw_tracepoint("sys_enter")
def past_the_end(ctx: RawTracepointContext) -> int:
    cells[ctx.args[0]] = 1
    cells[ctx.args[0]] += 1
    return 1


# -- records


@record
class Point:
    x: i32
    small: u8
    y: i64
    name: Char = chars(8)


@record
class Line:
    start: Point
    length: u16


points = Hash[u32, Point](max_entries=4)
by_point = Hash[Point, u32](max_entries=4)
lines = Hash[u32, Line](max_entries=4)
sent = Events[Line](pages=1)


def shifted(x: i32, by: i32 = 1) -> i32:
    return x + by


@raw_tracepoint("sys_enter")
def use_records(ctx: RawTracepointContext) -> int:
    x = ctx.args[0]
    points[1] = Point(x=x, y=-7, name="abc")
    found = points.get(1)
    if found is None:
        return 0
    found.y += 10
    found.y -= 1
    found.x = shifted(found.x)
    found.small = 300
    found.name = "longer 8"
    by_point[Point(x=1, small=2)] = 3
    by_point[found] = 4
    points[2] = found
    lines[1] = Line(start=found, length=9)
    made = lines.setdefault(2, Line(length=5))
    if made is not None:
        made.start.x = -1
        made.length = made.length * 2
    sent.emit(Line(start=Point(x=x, name=comm()), length=tgid()))
    sent.emit(Line(start=found, length=1))
    return 1


def test_records_are_values_keys_and_events() -> None:
    with loaded(use_records) as session:
        assert fire(session, use_records, -3) == 1
        expected = (-2, 44, 2, "longer 8")
        assert [tuple(session[points][n].values()) for n in (1, 2)] == [expected, expected]
        found = {tuple(key.values()): count for key, count in session[by_point].items()}
        assert found == {(1, 2, 0, ""): 3, expected: 4}
        one, two = session[lines][1], session[lines][2]
        assert (tuple(one.start.values()), one.length) == (expected, 9)
        assert (tuple(two.start.values()), two.length) == ((-1, 0, 0, ""), 10)
        batch = session[sent].read()
        assert batch.shape == (2,)
        assert batch["start"]["x"].tolist() == [-3, -2]
        assert batch["length"].tolist() == [os.getpid() & 0xFFFF, 1]
        own = Path("/proc/thread-self/comm").read_bytes().rstrip(b"\n")[:8]
        assert batch["start"]["name"].tolist() == [own, b"longer 8"]


# -- histograms

plain = Log2Hist(unit="us", totals=True)
signed = Log2Hist()
linear = LinearHist(slots=4, low=-10, step=10)
keyed = Log2Hist(key=tuple[u32, bool])
steps = LinearHist(slots=3, step=5, key=u8)


@raw_tracepoint("sys_enter")
def histograms(ctx: RawTracepointContext) -> int:
    value = ctx.args[0]
    plain.add(value)
    signed.add(as_signed(value))
    linear.add(as_signed(value))
    steps[value & 1].add(value)
    keyed[7, value > 5].add(value)
    return 1


def as_signed(n: i64) -> i64:
    return n


EDGES = [0, 1, 2, 3, 4, 255, 256, BIG - 1, BIG, WORD, -1, -9, -10, -11, 9, 10, 29, 30, -BIG]


def test_slots_of_histograms_at_their_edges() -> None:
    log2, slots_signed, in_steps = np.zeros(64, int), np.zeros(64, int), np.zeros(4, int)
    by_key: dict[tuple[int, bool], int] = {}
    by_step = np.zeros((2, 3), int)
    with loaded(histograms) as session:
        for value in EDGES:
            assert fire(session, histograms, value) == 1
            wide = value & WORD
            narrow = wide - (1 << 64) if wide >= BIG else wide
            log2[max(0, wide.bit_length() - 1)] += 1
            slots_signed[max(0, narrow.bit_length() - 1) if narrow > 0 else 0] += 1
            in_steps[min(max((narrow + 10) // 10, 0), 3)] += 1
            by_key[7, wide > 5] = by_key.get((7, wide > 5), 0) + 1
            by_step[wide & 1, min(wide // 5, 2)] += 1
        assert session[plain].counts.tolist() == log2.tolist()
        assert session[signed].counts.tolist() == slots_signed.tolist()
        assert session[linear].counts.tolist() == in_steps.tolist()
        found = session[keyed].snapshot()
        assert {key: int(found[key].counts.sum()) for key in found} == by_key
        stepped = session[steps].snapshot()
        assert [stepped[n].counts.tolist() for n in (0, 1)] == by_step.tolist()
        total = sum(value & WORD for value in EDGES) & WORD
        assert session[plain].snapshot().total == total


# -- printing

WIDTH = 4


@raw_tracepoint("sys_enter")
def say(ctx: RawTracepointContext) -> int:
    a = ctx.args[0]
    print("plain", a, a > 2, as_signed(a), sep="|")
    print(f"{a:>{WIDTH}}|{a:#x}|{as_signed(a):+d}|{a > 2!r}|{comm()!r:>20}|{comm():.3}", end="!\n")
    print()
    print(f"constant {1 + 2:03d} {'text'!r}", True, None is None)
    return 1


def test_printed_lines_are_what_python_prints() -> None:
    own = Path("/proc/thread-self/comm").read_text().rstrip("\n")
    with loaded(say) as session:
        for a in (5, WORD):
            assert fire(session, say, a) == 1
        found = list(session.lines(0))
    expected = []
    for a in (5, WORD):
        narrow = a - (1 << 64) if a >= BIG else a
        expected += [
            f"plain|{a}|True|{narrow}\n",
            f"{a:>4}|{a:#x}|{narrow:+d}|True|{own!r:>20}|{own:.3}!\n",
            "\n",
            "constant 003 'text' True True\n",
        ]
    assert found == expected


# -- the kernel's objects

answers = Array[i64](max_entries=32)


@record
class Who:
    mine: Char = chars(16)
    parent: Char = chars(16)
    by_helper: Char = chars(16)


who = Hash[u32, Who](max_entries=4)


@raw_tracepoint("sys_enter")
def own_task() -> int:
    task = current_task()
    answers[0] = task.pid
    answers[1] = task.tgid
    answers[2] = task.real_parent.tgid
    answers[3] = task.real_parent.real_parent.tgid
    answers[4] = task.group_leader.pid
    answers[5] = task.static_prio
    answers[6] = task.policy
    answers[7] = task.real_cred.uid.val
    return 1


@raw_tracepoint("sys_enter")
def own_task_more() -> int:
    task = current_task()
    answers[8] = task.in_execve
    answers[9] = task.no_cgroup_migration
    answers[10] = task.sched_reset_on_fork
    answers[11] = task.mm.mm_users.counter
    answers[12] = task.signal.rlim[7].rlim_cur
    answers[13] = task.group_leader == task
    answers[14] = task.mm is not None
    answers[15] = task.real_parent != task
    who[1] = Who(mine=task.comm, parent=task.real_parent.comm, by_helper=comm())
    return 1


@raw_tracepoint("sys_enter")
def helpers() -> int:
    before = ktime_get_ns()
    answers[16] = tgid()
    answers[17] = tid()
    answers[18] = uid() * 100_000 + gid()
    answers[19] = pid_tgid() == tgid() << 32 | tid()
    answers[20] = cpu()
    answers[21] = before <= ktime_get_ns()
    answers[22] = has_field(task_struct, "pid")
    answers[23] = has_field(task_struct, "no_such_field_here")
    answers[24] = sizeof(Who)
    answers[25] = sizeof(task_struct) > 1_000
    if has_field(task_struct, "gone_for_good"):
        answers[26] = current_task().gone_for_good
    return 1


def nothing() -> None:
    answers[0] += 1


def text_of(mine: bool) -> Char:
    return comm() if mine else current_task().real_parent.comm


@raw_tracepoint("sys_enter")
def corners(ctx: RawTracepointContext) -> int:
    none = nothing()
    also_none = None
    answers[1] = (none is None) + (also_none is None) * 10
    (nothing(), 1)
    task: Ptr[task_struct] = current_task()
    answers[2] = task.tgid
    small: u8 = ctx.args[0]
    answers[3] = small
    found: i64 | None = numbers.get(1)
    answers[4] = found or 7
    key: tuple[u8, u32] = (1, 2)
    pairs[key] += 1
    text = text_of(True) if ctx.args[0] else text_of(False)
    who[1] = Who(mine=text, parent=text_of(False))
    answers[5] = (task.mm.pgd.pgd | 1) != 0
    return 1


def test_corners_of_the_language() -> None:
    with loaded(corners) as session:
        assert fire(session, corners, 0x1FF) == 1
        assert session[answers].view()[:6].tolist() == [2, 11, os.getpid(), 255, 7, 1]
        assert dict(session[pairs].items()) == {(1, 2): 1}
        own = Path("/proc/thread-self/comm").read_text().rstrip("\n")
        parent = Path(f"/proc/{os.getppid()}/comm").read_text().rstrip("\n")
        assert (session[who][1].mine, session[who][1].parent) == (own, parent)


def status(pid: int | str, word: str) -> int:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row.split()[1] for row in rows if row.startswith(f"{word}:")))


def test_fields_of_the_own_task() -> None:
    import resource

    with loaded(own_task, own_task_more, helpers) as session:
        for probe in (own_task, own_task_more, helpers):
            assert fire(session, probe) == 1
        got = session[answers].view().tolist()
        tasks = session[who][1]
    parent = os.getppid()
    assert got[:5] == [
        threading.get_native_id(), os.getpid(), parent, status(parent, "PPid"), os.getpid()
    ]  # fmt: skip
    assert got[5] == 120 + os.getpriority(os.PRIO_PROCESS, 0)
    assert got[6:8] == [os.sched_getscheduler(0), os.getuid()]
    assert got[8] == 0
    assert got[10] == 0
    assert got[11] >= 1
    assert got[12] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert got[13:16] == [1, 1, 1]
    own = Path("/proc/thread-self/comm").read_text().rstrip("\n")
    assert tasks["mine"] == tasks["by_helper"] == own
    assert tasks["parent"] == Path(f"/proc/{parent}/comm").read_text().rstrip("\n")
    assert got[16:18] == [os.getpid(), threading.get_native_id()]
    assert got[18] == os.getuid() * 100_000 + os.getgid()
    assert got[19] == got[21] == 1
    assert 0 <= got[20] < os.cpu_count()
    assert got[22:27] == [1, 0, 48, 1, 0]


def test_a_bit_field_shows_what_was_set() -> None:
    """``sched_reset_on_fork`` is one bit of ``task_struct``; its owner sets it for itself."""
    with loaded(own_task_more) as session:
        seen: list[int] = []

        def on_its_own_thread() -> None:
            reset = os.SCHED_RESET_ON_FORK
            os.sched_setscheduler(0, os.SCHED_OTHER | reset, os.sched_param(0))
            fire(session, own_task_more)
            seen.append(int(session[answers][10]))

        thread = threading.Thread(target=on_its_own_thread)
        thread.start()
        thread.join()
        fire(session, own_task_more)
        assert seen == [1]
        assert session[answers][10] == 0


# -- options

verbose = Const(False, "-v")
limit = Const(3)


@raw_tracepoint("sys_enter")
def with_options(ctx: RawTracepointContext) -> int:
    if verbose:
        answers[0] = 1
    if ctx.args[0] > limit:
        answers[1] = limit
    return 1


@pytest.mark.parametrize(
    ("options", "expected"), [({}, [0, 3]), ({verbose: True, limit: 9}, [1, 0])]
)
def test_options_are_constants(options: dict[Any, Any], expected: list[int]) -> None:
    with loaded(with_options, options=options) as session:
        fire(session, with_options, 5)
        assert session[answers].view()[:2].tolist() == expected
        assert session.option(limit) == options.get(limit, 3)
