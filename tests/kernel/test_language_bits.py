"""Bit-fields: what probes read and write, and what is seen outside."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyebpf import testing
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

TEXT = """
from pyebpf import *

@record
class Flags:
    seen: bool = bits(1)
    kind: u32 = bits(7)
    level: i32 = bits(5)
    count: u64 = bits(40)
    wide: i64 = bits(64)
    plain: u16

@record
class Held:
    name: Char = chars(8)
    rows: FixedArray[Flags] = array(3)

flags = Hash[u32, Flags](max_entries=8)
by_flags = Hash[Flags, u64](max_entries=8)
held = Array[Held](max_entries=2)
placed = Array[Flags](max_entries=1)
shared = Global[Flags](
    {"seen": True, "kind": 9, "level": -9, "count": 1 << 39, "wide": -1, "plain": 3}
)
events = Events[Flags](pages=64)
out = Array[i64](max_entries=16)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    a, b = cast(i64, ctx.args[0]), cast(i64, ctx.args[1])
    mine = Flags(kind=a, level=b, count=a, wide=b, plain=a, seen=b)
    out[0] = mine.kind * 1000 + mine.level
    out[1] = mine.count
    out[2] = mine.wide
    out[3] = mine.seen + mine.plain
    mine.level -= 3
    mine.level *= 2
    mine.count += 1
    flags[1] = mine
    by_flags[mine] += 1
    entry = flags.get(1)
    if entry is not None:
        entry.kind = entry.kind + 1
        entry.kind |= 0x41
        entry.kind ^= 0x102
        entry.count &= 0xFFF
        entry.seen = not entry.seen
        out[4] = entry.level
    table = held.get(1)
    if table is not None:
        table.rows[a & 1].level = b
        table.rows[2] = mine
        out[5] = table.rows[a & 1].level
    shared.value.count |= 1 << 20
    shared.value.level = shared.value.level + 1
    out[6] = shared.value.level
    placed[0] = Flags(level=shared.value.level, kind=b)
    match mine:
        case Flags(level=n) if mine.seen:
            out[7] = n
        case _:
            out[7] = 77
    there = cast(UserPtr[Flags], ctx.args[2])
    out[8] = there.level * 1000 + there.kind
    copy = read_user(Flags, ctx.args[2])
    out[9] = copy.level * 1000 + copy.kind
    events.emit(mine)
    with events.reserve() as event:
        event.level = b
        event.level += 1
        event.kind += a
"""


def wrap(number: int, bits: int, *, signed: bool = False) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if signed and number >> bits - 1 else number


def in_python(a: int, b: int, there: dict[str, int]) -> tuple[dict[str, Any], list[int]]:
    mine = {
        "seen": bool(b),
        "kind": wrap(a, 7),
        "level": wrap(b, 5, signed=True),
        "count": wrap(a, 40),
        "wide": b,
        "plain": wrap(a, 16),
    }
    far = there["level"] * 1000 + there["kind"]
    out = [mine["kind"] * 1000 + mine["level"], mine["count"], b, mine["seen"] + mine["plain"]]
    mine["level"] = wrap(wrap(mine["level"] - 3, 5, signed=True) * 2, 5, signed=True)
    mine["count"] = wrap(mine["count"] + 1, 40)
    out += [mine["level"], wrap(b, 5, signed=True), -8]
    out += [mine["level"] if mine["seen"] else 77, far, far]
    return mine, out


@pytest.mark.parametrize(("a", "b"), [(0, 0), (200, -7), (127, 15), (-1, 16), (1 << 39, 1 << 62)])
def test_bit_fields_hold_what_python_says(a: int, b: int, requires: Callable[[str], None]) -> None:
    requires("atomics")
    case = cell(TEXT)
    there = {"level": -2, "kind": 100}
    bits = 1 | 100 << 1 | (-2 & 31) << 8
    memory = ctypes.create_string_buffer(struct.pack("<QQHxxxxxx", bits, 0, 0), 24)
    with testing.run(case.probe) as t:
        t.fire(case.probe, a, b, t.user(memory.raw))
        check(case, t, t.events(case.events), (a, b, there))
    with loaded(case.probe) as session:
        fire(session, case.probe, a, b, ctypes.addressof(memory))
        check(case, session, session[case.events].read(), (a, b, there))


def check(case: Any, opened: Any, seen: Any, given: tuple[int, int, dict[str, int]]) -> None:
    a, b, _ = given
    mine, out = in_python(*given)
    assert list(opened[case.out].snapshot()[1][: len(out)]) == out
    entry = dict(mine)
    entry["kind"] = wrap((wrap(mine["kind"] + 1, 7) | 0x41) ^ 0x102, 7)
    entry["count"] &= 0xFFF
    entry["seen"] = not mine["seen"]
    assert opened[case.flags][1] == entry
    keys, values = opened[case.flags].snapshot()
    assert keys.tolist() == [1]
    assert {name: values[name].item() for name in values.dtype.names} == entry
    assert opened[case.by_flags][mine] == 1
    assert dict(opened[case.by_flags].items()) == {opened[case.by_flags].keys()[0]: 1}
    rows = opened[case.held][1].rows
    assert rows[a & 1].level == wrap(b, 5, signed=True)
    assert rows[2] == mine
    assert opened[case.held].snapshot()[1]["rows"]["level"].shape == (2, 3)
    assert opened[case.shared].value.count == 1 << 39 | 1 << 20
    assert opened[case.placed][0].level == -8
    last = wrap(wrap(b, 5, signed=True) + 1, 5, signed=True)
    assert seen["level"].tolist() == [mine["level"], last]
    assert seen["kind"].tolist() == [mine["kind"], wrap(a, 7)]
    assert seen["kind"].dtype == np.uint32


def test_user_space_stores_them_too(requires: Callable[[str], None]) -> None:
    requires("atomics")
    case = cell(TEXT)
    with loaded(case.probe) as session:
        given = {"seen": True, "kind": 3, "level": -4, "count": 5, "wide": -6, "plain": 7}
        session[case.flags][3] = given
        keys, values = session[case.flags].snapshot()
        values["level"] = 11
        session[case.flags].update_many(keys, values)
        assert session[case.flags][3] == {**given, "level": 11}
        session[case.shared].value = given
        assert session[case.shared].value == given
        with pytest.raises(ValueError, match="level: 16 does not fit 5 bits"):
            session[case.flags][3] = {**given, "level": 16}
        with pytest.raises(TypeError, match="numpy cannot show in place"):
            session[case.shared].view()
