"""What an expression does is done, also where its value is known or not looked at."""

from __future__ import annotations

import pytest

from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

TEXT = """
from pyebpf import *

counts = Hash[u32, u64](max_entries=64)

def note(key: u32) -> None:
    counts[key] += 1

def noted(key: u32) -> u64:
    counts[key] += 1
    return key

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    if note(1):
        return 2
    if note(2) is not None:
        return 3
    if noted(3) is None:
        return 4
    n = 5 if note(4) else 6
    n += len((noted(5), noted(6)))
    if not note(7):
        n += 1
    while note(8):
        pass
    (noted(9), note(10))
    n += noted(11) and 0
    if noted(12) in ():
        return 5
    assert noted(13) is not None
    return n
"""


def test_nothing_that_is_done_is_dropped() -> None:
    made = cell(TEXT)
    with loaded(made.probe) as session:
        assert fire(session, made.probe) == 9
        assert dict(session[made.counts].items()) == dict.fromkeys(range(1, 14), 1)


ORDER = """
from pyebpf import *

order = Array[u64](max_entries=32)
place = Array[u64](max_entries=1)
counts = Hash[u32, u64](max_entries=64)
kept = Hash[u32, u64](max_entries=64)

def step(name: u64) -> u64:
    order[place[0]] = name
    place[0] = place[0] + 1
    return name

def nothing(name: u64) -> None:
    step(name)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    total = 0
    for x in (step(1), step(2), n):
        n += 100
        total += x
    step(total)
    if n in (n, step(3)):
        step(4)
    three = [step(5)] * 3
    step(sum(three))
    step(sum((step(6), step(7))))
    kept[step(8)] = step(9)
    found = nothing(10) or counts.get(step(11))
    if found is None:
        step(12)
    return 1
"""


def test_everything_is_evaluated_once_and_in_pythons_order() -> None:
    made = cell(ORDER)
    with loaded(made.probe) as session:
        assert fire(session, made.probe, 50) == 1
        took = int(session[made.place][0])
        found = [int(session[made.order][i]) for i in range(took)]
    assert found == [1, 2, 53, 3, 4, 5, 15, 6, 7, 13, 9, 8, 10, 11, 12]


CONSTANTS = """
from pyebpf import *

one = Hash[u32, u64](max_entries=16)
two = Hash[u32, u64](max_entries=16)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    found = 0
    for which in (one, two):
        which[1] = 1
    which[2] = 1
    for data in (b"a", b"bc", b"def"):
        if data[0] == ctx.args[0]:
            found = len(data)
    return found * 10 + len(data)
"""


def test_a_name_keeps_the_last_constant_of_its_loop() -> None:
    made = cell(CONSTANTS)
    with loaded(made.probe) as session:
        assert fire(session, made.probe, ord("b")) == 23
        assert dict(session[made.one].items()) == {1: 1}
        assert dict(session[made.two].items()) == {1: 1, 2: 1}


NAMES = """
from pyebpf import *

one = Hash[u32, u64](max_entries=16)
two = Hash[u32, u64](max_entries=16)

def twice(number: u64) -> u64:
    return number * 2

def thrice(number: u64) -> u64:
    return number * 3

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    which, apply, name = one, twice, "one"
    which[1] = apply(len(name))
    which, apply, name = two, thrice, "three"
    which[1] = apply(len(name))
    name = "fair" if ctx.args[0] else "unfair"
    if name == "fair":
        which[2] = len(name)
    if ("ab" if ctx.args[0] else "abc") != "abc":
        which[3] = 1
    return len(name)
"""


@pytest.mark.parametrize(("argument", "found"), [(1, {1: 15, 2: 4, 3: 1}), (0, {1: 15})])
def test_names_of_constants_and_one_of_two_texts(argument: int, found: dict[int, int]) -> None:
    made = cell(NAMES)
    with loaded(made.probe) as session:
        assert fire(session, made.probe, argument) == (4 if argument else 6)
        assert dict(session[made.one].items()) == {1: 6}
        assert dict(session[made.two].items()) == found
