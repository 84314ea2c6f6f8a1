"""Call stacks, and programs that go on in other programs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from pyebpf import (
    Array,
    Hash,
    RawTracepointContext,
    StackTrace,
    TailCalls,
    i64,
    load,
    raw_tracepoint,
    tgid,
    u64,
)
from pyebpf.spec.stacks import SECOND
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel

# -- call stacks

stacks = StackTrace(max_entries=16_384, depth=64)
crowded = StackTrace(max_entries=1, depth=4)
by_stack = Hash[tuple[i64, i64], u64](max_entries=64)
ids = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def where(ctx: RawTracepointContext) -> int:
    by_stack[stacks.kernel(), stacks.user()] += 1
    ids[0] = stacks.kernel()
    ids[1] = stacks.kernel(1)
    ids[2] = stacks.user()
    return 1


def kernel_symbols() -> list[tuple[int, str]]:
    lines = Path("/proc/kallsyms").read_text(encoding="ascii").splitlines()
    rows = [line.split()[:3] for line in lines]
    return sorted((int(address, 16), name) for address, kind, name in rows if kind in "tT")


def user_code() -> list[tuple[int, int]]:
    ranges = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        bounds, permissions = line.split()[:2]
        if "x" in permissions:
            low, high = bounds.split("-")
            ranges.append((int(low, 16), int(high, 16)))
    return ranges


def test_a_stack_is_an_id_and_addresses() -> None:
    with loaded(where) as session:
        for _ in range(3):
            assert fire(session, where) == 1
        kernel, skipped, user = session[ids].view()[:3].tolist()
        assert min(kernel, skipped, user) >= 0
        trace = session[stacks][kernel]
        assert (trace.dtype, trace.ndim) == (np.uint64, 1)
        assert trace.all()
        assert session[stacks][skipped].tolist() == trace[1:].tolist()
        symbols = kernel_symbols()
        starts = np.array([address for address, _ in symbols], np.uint64)
        named = [symbols[at - 1][1] for at in np.searchsorted(starts, trace, "right")]
        assert any("sys_bpf" in name for name in named), named
        code = user_code()
        assert all(any(low <= a < high for low, high in code) for a in session[stacks][user][:1])
        assert sum(dict(session[by_stack].items()).values()) == 3
        assert {key[1] for key in session[by_stack]} == {user}
        assert set(session[stacks].keys()) >= {kernel, skipped, user}
        assert session[stacks].get(-14) is None
        assert all(row.all() for row in session[stacks].values())
        assert session.lost() == {}


@raw_tracepoint("sys_enter")
def collide(ctx: RawTracepointContext) -> int:
    ids[3] = crowded.kernel()
    ids[4] = crowded.kernel(2)
    ids[5] = crowded.kernel(3)
    return ids[5] < 0


def test_a_stack_without_a_place_is_counted_as_lost() -> None:
    with loaded(collide) as session:
        assert fire(session, collide) == 1
        assert session[ids].view()[3:6].tolist() == [0, SECOND, -17]  # EEXIST
        assert session.lost() == {"crowded": 1}
        assert len(session[crowded][0]) == 4
        assert session[crowded].keys() == [0, SECOND]


# -- tail calls

steps = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def second(ctx: RawTracepointContext) -> int:
    steps[2] += ctx.args[0]
    return 22


@raw_tracepoint("sys_enter")
def first(ctx: RawTracepointContext) -> int:
    steps[1] += 1
    jumps.call(1)
    return 11


@raw_tracepoint("sys_enter")
def again(ctx: RawTracepointContext) -> int:
    """Calls itself, until the kernel has enough."""
    steps[3] += 1
    jumps.call(3)
    steps[4] += 1
    return 44


jumps = TailCalls(first, second, None, again, max_entries=6)


@raw_tracepoint("sys_enter")
def start(ctx: RawTracepointContext) -> int:
    jumps.call(ctx.args[1])
    steps[0] += 1
    return 1


def test_a_probe_goes_on_in_another() -> None:
    with loaded(start) as session:
        assert fire(session, start, 5, 0) == 22
        assert fire(session, start, 5, 1) == 22
        assert fire(session, start, 5, 2) == 1  # empty
        assert fire(session, start, 5, 4) == 1  # empty
        assert fire(session, start, 5, 6) == 1  # past the end
        assert fire(session, start, 5, 1 << 32) == 1
        assert session[steps].view()[:3].tolist() == [4, 1, 10]
        assert fire(session, start, 5, 3) == 44
        assert session[steps].view()[3:5].tolist() == [33, 1]  # MAX_TAIL_CALL_CNT


def test_the_table_changes_while_the_program_runs() -> None:
    with loaded(start) as session:
        table = session[jumps]
        assert [number in table for number in range(6)] == [True, True, False, True, False, False]
        table[2] = second
        assert fire(session, start, 1, 2) == 22
        del table[2]
        assert fire(session, start, 1, 2) == 1
        table[-1] = first
        assert fire(session, start, 1, 5) == 22
        with pytest.raises(IndexError):
            table[6] = first
        with pytest.raises(KeyError, match="where"):
            table[0] = where


def test_targets_are_loaded_and_not_attached() -> None:
    with load(waiting) as session:
        assert [(info.name, info.attach) for info in session.compiled.programs] == [
            ("waiting", True),
            ("mine", False),
        ]
        os.getppid()
        assert session[steps].view()[5] > 0
    with load(waiting, mine) as session:
        assert [info.attach for info in session.compiled.programs] == [True, True]


OWN = os.getpid()


@raw_tracepoint("sys_enter")
def mine(ctx: RawTracepointContext) -> None:
    steps[5] += 1


only_mine = TailCalls(mine)


@raw_tracepoint("sys_enter")
def waiting(ctx: RawTracepointContext) -> None:
    if tgid() == OWN:
        only_mine.call(0)
