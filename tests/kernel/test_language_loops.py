"""Loops, `match` and failing statements mean in the kernel what they mean in CPython."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pyebpf.runtime.features import KernelFeatures
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

WORD = (1 << 64) - 1
needs_loops = pytest.mark.skipif(
    not KernelFeatures().has("helper:loop"), reason="no bpf_loop (Linux 5.17)"
)
needs_entries = pytest.mark.skipif(
    not KernelFeatures().has("helper:for_each_map_elem"),
    reason="no bpf_for_each_map_elem (Linux 5.13)",
)

BODIES = {
    "while": """
        i = total = 0
        while i < a:
            i += 1
            if i == 3:
                continue
            if i > 1000:
                break
            total += i
        else:
            total = -total
        return total
    """,
    "while_true": """
        n = a
        steps = 0
        while True:
            if n <= 1 or steps > 200:
                return steps
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
    """,
    "while_condition_with_effect": """
        n, total = a, 0
        while (n := n - 7) > b:
            total += n
        return total * 1000 + n
    """,
    "range": """
        total = last = 0
        for i in range(a):
            for j in range(i, b, -2):
                if j == 5:
                    break
                total += i * j
            else:
                total += 1
            last = i
        return total * 100 + last
    """,
    "negative_range": """
        total = 0
        for i in range(b, a * -3, -4):
            total = total * 3 + i
        return total
    """,
    "constant_range": """
        total = 0
        for i in range(2_000):
            if i % 7 == a:
                continue
            for j in range(20):
                total += i ^ j
                if total > 5_000_000 + b:
                    return total
        return -total
    """,
    "return_from_two_loops": """
        for i in range(a):
            j = 0
            while j < i:
                if i * j == b:
                    return i * 1000 + j
                j += 1
        return -1
    """,
    "enumerate_zip": """
        total = 0
        for n, (x, y) in enumerate(zip(range(a), range(b, 100)), 1):
            total += n * x - y
        for i in reversed(range(3, a)):
            total = total * 2 + i
        for n, x in enumerate((5, a, b)):
            total += n * x
        for x, y in zip((1, 2, 3), range(10)):
            total -= x * y
        return total
    """,
    "generators": """
        first = sum(x * x for x in range(a) if x % 2)
        second = any(x * y == b for x in range(12) for y in range(x))
        third = all(x < 50 for x in range(a))
        fourth = max((x ^ 5 for x in range(a)), default=-3)
        fifth = min((a, b, 7)) + sum((a, b), 3)
        return first * 10 + second + third * 2 + fourth * 3 + fifth
    """,
    "ends_before_its_bound": """
        total = 0
        for i in range(8):
            total += i * b
            if i == a & 7:
                break
        for i in range(7):
            total += i
            if i == (a & 0xFFFF) % 7:
                break
        else:
            total = -1
        return total
    """,
    "assigned_in_every_turn": """
        for i in range(5):
            last = i + a
        for c in (1, b):
            other = c
        return last * other
    """,
    "match": """
        match a:
            case 0 | 1:
                return 10
            case 5 if b > 3:
                return 20
            case n if n > 50:
                return n * 2
        match a, b:
            case (3, x) | (x, 3):
                return x
            case (x, y) if x == y:
                return -x
            case _:
                pass
        match a < b:
            case 1:
                return 77
        return 88
    """,
    "match_of_many": """
        match a:
            case 0: found = b + 3
            case 1: found = b * 7
            case 2: found = b ^ 21
            case 3: found = 5 - b
            case 4: found = b & 9
            case 5: found = b << 3
            case 6: found = b | 64
            case 7: found = b // 3
            case 8: found = -b
            case 9: found = b % 7
            case 10: found = b - 8
            case 11: found = ~b
            case 12: found = b * b
            case 13: found = b >> 1
            case 14: found = 77
            case _: found = b
        return found
    """,
    "divmod": """
        quotient, rest = divmod(a, (b | 1))
        return quotient * 1000 + rest
    """,
}
ARGUMENTS = [(0, 0), (1, 5), (3, 9), (5, 4), (10, 3), (27, 30), (60, 6), (5000, 4), (7, 7)]
#: These take too long in CPython, or go on too long, for large numbers.
SMALL = {"range", "negative_range", "return_from_two_loops", "enumerate_zip", "generators"}


def a_function(body: str) -> str:
    lines = [line.removeprefix("    ") for line in body.strip("\n").splitlines()]
    return "\n".join(["def f(a: i64, b: i64):", *lines]) + "\n"


def a_cell(body: str) -> Any:
    text = "from pyebpf import *\nout = Array[i64](max_entries=1)\n" + a_function(body)
    text += (
        '@raw_tracepoint("sys_enter")\n'
        "def probe(ctx: RawTracepointContext) -> int:\n"
        "    out[0] = f(ctx.args[0], ctx.args[1])\n"
        "    return 1\n"
    )
    return cell(text)


@needs_loops
@pytest.mark.parametrize("name", BODIES)
def test_a_loop_means_what_it_means_in_python(name: str) -> None:
    made = a_cell(BODIES[name])
    with loaded(made.probe) as session:
        for a, b in ARGUMENTS:
            if name in SMALL and a > 100:
                continue
            assert fire(session, made.probe, a, b) == 1
            assert int(session[made.out][0]) & WORD == made.f(a, b) & WORD, (a, b)
        assert session.lost() == {}


def test_short_loops_need_no_help_of_the_kernel() -> None:
    made = a_cell(
        """
        total = i = 0
        while i < a and i < 30:
            i += 1
            total += i * b
        for j in range(a % 10):
            total += j
        return total
    """
    )
    with loaded(made.probe) as session:
        for a, b in ((0, 1), (5, 3), (25, 2)):
            assert fire(session, made.probe, a, b) == 1
            assert int(session[made.out][0]) == made.f(a, b)


@needs_loops
def test_an_endless_loop_ends_the_probe_and_is_counted() -> None:
    made = a_cell(
        """
        n = a
        while n:
            n |= 1
        return 5
    """
    )
    with loaded(made.probe) as session:
        assert fire(session, made.probe, 0) == 1
        assert fire(session, made.probe, 3) == 0
        assert session.lost() == {"loops cut short": 1}
        assert int(session[made.out][0]) == 5


@needs_entries
def test_a_loop_over_a_map_sees_every_entry() -> None:
    made = cell(
        """
from pyebpf import *
@record
class Seen:
    hits: u64
    last: u32
counts = Hash[u32, u64](max_entries=100)
pairs = Hash[tuple[u32, bool], i64](max_entries=100)
seen = Hash[u32, Seen](max_entries=100)
cells = Array[u64](max_entries=5)
out = Array[i64](max_entries=12)
@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    stop = ctx.args[0]
    out[5], out[6] = sum(pairs.values()), sum(counts)
    out[7], out[8] = min(pairs.values()), max(counts.values(), default=0)
    out[9], out[10], out[11] = sum(cells.values(), 5), max(cells.keys()), any(counts.values())
    total = n = 0
    for key, value in counts.items():
        if key == 2:
            continue
        total += key * value
        n += 1
        if n == stop:
            break
    else:
        out[1] = 1
    out[0] = total
    for (pid, flag), amount in pairs.items():
        if flag:
            out[2] += amount * pid
    for entry in seen.values():
        entry.hits += 10
        entry.last = 7
    out[3] = sum(value for value in cells.values())
    for i, value in cells.items():
        out[4] += i * value
    for key in counts:
        if key == 3:
            return 2
    return 1
"""
    )
    with loaded(made.probe) as session:
        for key in range(1, 50):
            session[made.counts][key] = key * key
        for pid in range(5):
            session[made.pairs][(pid, True)] = -3
            session[made.pairs][(pid, False)] = 100
        session[made.seen][1] = (1, 1)
        session[made.seen][2] = (5, 2)
        for i in range(5):
            session[made.cells][i] = i * 11
        assert fire(session, made.probe, 0) == 2
        out = [int(session[made.out][i]) for i in range(12)]
        assert out[0] == sum(k**3 for k in range(1, 50) if k != 2)
        assert out[1:5] == [1, -3 * 10, 110, 11 * (1 + 4 + 9 + 16)]
        assert out[5:] == [5 * 97, sum(range(50)), -3, 49 * 49, 115, 4, 1]
        assert {k: int(v["hits"]) for k, v in session[made.seen].items()} == {1: 11, 2: 15}
        assert {k: int(v["last"]) for k, v in session[made.seen].items()} == {1: 7, 2: 7}
        session[made.out][1] = 0
        fire(session, made.probe, 4)
        assert int(session[made.out][1]) == 0


def test_an_exception_ends_the_probe_and_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made = cell(
        """
from pyebpf import *
out = Array[u64](max_entries=1)
@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    assert n != 3, f"{n} is bad"
    if n == 4:
        raise ValueError("four", n)
    if n == 5:
        raise KeyError
    assert n != 6
    out[0] += 1
    return 1
"""
    )
    with loaded(made.probe) as session:
        results = [fire(session, made.probe, n) for n in range(3, 8)]
        session.sleep(0)
    assert results == [0, 0, 0, 0, 1]
    shown = re.sub(r" +", " ", capsys.readouterr().out).splitlines()
    assert shown == [
        "AssertionError: 3 is bad (probe, line 7)",
        "ValueError: four, 4 (probe, line 9)",
        "KeyError (probe, line 11)",
        "AssertionError (probe, line 12)",
    ]


#: Before Linux 6.7 the verifier follows only the first turn of a loop that is called. What is true
#: there and later not, or the other way round, must not be taken for always so.
TURNS = """
from pyebpf import *
@record
class Seen:
    turns: u64
    last: u32
entries = Hash[u32, u64](max_entries=64)
out = Array[u64](max_entries=6)
@raw_tracepoint("sys_enter")
def by_number(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    counts = [0] * 4
    seen = Seen(turns=0, last=9)
    third = False
    i = late = 0
    while i < n:
        counts[1] += 1
        seen.turns += 1
        if counts[1] == 3:
            third = True
        if seen.turns == 4:
            late += 1
            seen.last = 7
        i += 1
    out[0] = counts[1]
    out[1] = seen.turns * 10 + seen.last
    out[2] = 5 if third else 6
    out[3] = late
    if seen.last == 7:
        out[4] = 1
    return 1
@raw_tracepoint("sys_enter")
def by_entry(ctx: RawTracepointContext) -> int:
    counts = [0] * 4
    seen = Seen(turns=0, last=9)
    for key in entries:
        counts[0] += 1
        counts[2] = 8
        seen.last = 7
        if counts[0] == 2:
            out[5] = 1
    out[0] = counts[0]
    if counts[2] == 8:
        out[1] = 1
    if seen.last == 9:
        out[2] = 1
    if counts[0] == 3:
        out[3] = 1
    return 1
"""


@needs_loops
@pytest.mark.parametrize("turns", [0, 1, 3, 5])
def test_a_later_turn_is_not_taken_for_the_first(turns: int) -> None:
    made = cell(TURNS)
    with loaded(made.by_number) as session:
        assert fire(session, made.by_number, turns) == 1
        done = [int(session[made.out][i]) for i in range(5)]
    fourth = turns >= 4
    seen = turns * 10 + (7 if fourth else 9)
    assert done == [turns, seen, 5 if turns >= 3 else 6, fourth, fourth]


@needs_entries
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_no_entry_is_not_taken_for_one(turns: int) -> None:
    made = cell(TURNS)
    with loaded(made.by_entry) as session:
        for key in range(turns):
            session[made.entries][key] = 1
        assert fire(session, made.by_entry) == 1
        done = [int(session[made.out][i]) for i in range(6)]
    assert done == [turns, turns > 0, turns == 0, turns == 3, 0, turns >= 2]


@needs_loops
def test_entries_go_from_turn_to_turn() -> None:
    made = cell(
        """
from pyebpf import *

@record
class Node:
    value: i64
    next: u32

nodes = Hash[u32, Node](max_entries=8)
out = Array[i64](max_entries=4)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    for i in range(5):
        nodes[i] = Node(value=i * 7 % 5, next=i + 1)
    node = nodes.get(0)
    while node is not None:
        out[0] += node.value
        node = nodes.get(node.next)
    best = None
    for i in range(ctx.args[0]):
        node = nodes.get(i)
        if node is not None and (best is None or node.value > best.value):
            best = node
    out[1] = best.value if best is not None else -1
    gone = nodes.pop(2)
    if gone is None:
        gone = nodes.get(3)
    out[2] = gone.value if gone is not None else -1
    gone = nodes.pop(2)
    if gone is None:
        gone = nodes.get(3)
    out[3] = gone.value if gone is not None else -1
"""
    )
    with loaded(made.probe) as session:
        fire(session, made.probe, 5)
        assert session[made.out].snapshot()[1].tolist() == [10, 4, 4, 1]
