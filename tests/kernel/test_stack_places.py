"""Stacks that meet in one place: which are kept, and under which id, is known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyebpf import (
    Array,
    Const,
    Hash,
    RawTracepointContext,
    StackTrace,
    i64,
    load,
    open_pinned,
    raw_tracepoint,
    u64,
    unpin,
)
from pyebpf.spec.stacks import SECOND, entries_of_each, places
from tests.kernel.children import BPFFS, in_own_bpffs
from tests.kernel.running import fire

pytestmark = pytest.mark.kernel

room = Const(1)
small = StackTrace(max_entries=room, depth=4)
#: Ids in it have the low bits of the same hashes.
large = StackTrace(max_entries=4_096, depth=4)
seen, hashes = Array[i64](max_entries=5), Array[i64](max_entries=5)
hits = Hash[i64, u64](max_entries=16)


@raw_tracepoint("sys_enter")
def keeps(ctx: RawTracepointContext) -> None:
    """Keep five stacks. The innermost address is left out: it is that of the call itself."""
    seen[0], hashes[0] = small.kernel(1), large.kernel(1)
    seen[1], hashes[1] = small.kernel(2), large.kernel(2)
    seen[2], hashes[2] = small.kernel(3), large.kernel(3)
    seen[3], hashes[3] = small.kernel(4), large.kernel(4)
    seen[4], hashes[4] = small.kernel(5), large.kernel(5)
    for at in range(5):
        hits[seen[at]] += 1


def expected(stacks: int, ids: list[int]) -> list[int]:
    """Return the id that each new stack gets, by the arithmetic; negative if it is lost."""
    mask, most = places(stacks) - 1, entries_of_each(stacks, build_ids=False)
    halves: tuple[dict[int, int], ...] = ({}, {})
    given = []
    for stack, number in enumerate(ids):
        place, found = number & mask, -1
        for half, mark in zip(halves, (0, SECOND), strict=True):
            if found < 0 and place not in half and len(half) < most:
                half[place] = stack
                found = place | mark
        given.append(found)
    return given


@pytest.mark.parametrize("stacks", [1, 2, 3, 4, 64])
def test_a_third_stack_in_a_place_is_lost_and_no_other(stacks: int) -> None:
    with load(keeps, options={room: stacks}, attach=False) as session:
        for _ in range(7):
            fire(session, keeps)
        wanted = expected(stacks, session[hashes].view().tolist())
        got = session[seen].view().tolist()
        kept = [number for number in wanted if number >= 0]
        assert [max(-1, number) for number in got] == wanted
        lost = 7 * wanted.count(-1)
        assert session.lost() == ({"small": lost} if lost else {})
        if stacks == 1:
            assert wanted == [0, SECOND, -1, -1, -1]
        view = session[small]
        assert sorted(view.keys()) == sorted(kept)
        assert len(view) == len(kept)
        for number, other in zip(got, session[hashes].view().tolist(), strict=True):
            if number >= 0:
                assert view[number].tolist() == session[large][other].tolist()
                assert number in view
        both = view.several(np.array([*kept, *kept[:1]]))[1]
        assert both.tolist() == [len(view[number]) for number in [*kept, *kept[:1]]]
        counts = view.counts(session[hits])
        assert counts.total == 5 * 7
        assert sum(s.count for s in counts if s.kernel == ("[lost]",)) == lost
        assert len(view.take()[0]) == len(kept)
        assert len(view) == 0


def test_a_stack_is_removed_from_where_it_is() -> None:
    with load(keeps, attach=False) as session:
        fire(session, keeps)
        view = session[small]
        first, second = view[0].tolist(), view[SECOND].tolist()
        assert first != second
        assert view.pop(SECOND).tolist() == second
        assert view.keys() == [0]
        del view[0]
        assert view.pop(0, None) is None


pinned = StackTrace(max_entries=1, depth=4, pin=f"{BPFFS}/app/stacks")


@raw_tracepoint("sys_enter")
def two(ctx: RawTracepointContext) -> int:
    pinned.kernel(1)
    return pinned.kernel(2) > 0


@in_own_bpffs
def test_both_maps_are_pinned_and_found_again() -> None:
    path, other = f"{BPFFS}/app/stacks", f"{BPFFS}/app/other"
    for _ in range(2):
        with load(two, attach=False) as session:
            assert fire(session, two) == 1
            stacks = {key: row.tolist() for key, row in session[pinned].items()}
            assert sorted(stacks) == [0, SECOND]
            session.pin(pinned, other)
        for name in (path, other):
            for view in (open_pinned(name), open_pinned(name, pinned)):
                with view:
                    assert {key: row.tolist() for key, row in view.items()} == stacks
        unpin(other)
        assert sorted(one.name for one in Path(f"{BPFFS}/app").iterdir()) == [
            "stacks",
            "stacks_second",
        ]
    unpin(path)
    assert not [*Path(f"{BPFFS}/app").iterdir()]
