"""Options that decide more than a branch: several numbers, and how large a map is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyebpf import Array, Const, Hash, StackTrace, load, testing, tgid, tp_btf, u32, u64
from pyebpf.cli import numbers

pytestmark = pytest.mark.kernel

COMM = Path("/proc/self/comm")
only: tuple[int, ...] = Const((), "-p", convert=numbers)
room = Const(8, "--room")
seen = Array[u64](max_entries=1)
table = Hash[u32, u64](max_entries=room)
stacks = StackTrace(max_entries=room)


@tp_btf("task_rename")
def renamed() -> None:
    if not only or tgid() in only:
        seen[0] += 1


@tp_btf("task_rename")
def fills() -> None:
    if tgid() in only and stacks.kernel() >= 0:
        for key in range(64):
            table[key] = 1


@pytest.mark.parametrize(("pids", "counted"), [((), 1), ((1,), 0), ((1, 2, 77), 1)])
def test_membership_in_several_numbers(pids: tuple[int, ...], counted: int) -> None:
    with testing.run(renamed, options={only: pids}) as t:
        t.machine.world.tgid = 77
        t.fire(renamed)
        assert t[seen][0] == counted


def test_an_option_says_for_how_many_entries_there_is_room() -> None:
    for entries in (16, 64):
        with load(fills, options={only: (os.getpid(),), room: entries}) as session:
            COMM.write_text(COMM.read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
            session.detach()
            assert len(session[table]) == entries
            assert session.lost() == ({} if entries == 64 else {"table": 48})
            assert len(session[stacks]) == 1
