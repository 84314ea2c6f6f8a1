"""Arrays and records that change mean in the kernel what they mean in CPython."""

from __future__ import annotations

from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

TEXT = """
from pyebpf import *

@record
class Inner:
    x: i64
    y: u32

@record
class Outer:
    a: i64
    inner: Inner
    rows: FixedArray[Inner] = array(4)

out = Array[i64](max_entries=1)
kept = Hash[u32, Outer](max_entries=4)

def grow(outer, by):
    outer.a += by
    outer.inner.x = by * 2
    return outer.a

def f(n, m):
    p = Outer(a=3, inner=Inner(x=1))
    p.a += n
    p.inner.x = 7
    p.inner.x *= n
    p.inner.y = 5
    p.inner.y -= 2
    q = grow(p, 10)
    a = [0] * 8
    for i in range(8):
        a[i] = i * n
    a[-1] += 100
    a[n] += 1
    b = [n, 2, 3]
    x, y, z = b
    total = 0
    for v in a:
        total += v
    for i, row in enumerate(p.rows):
        row.x = i * m
    p.rows[1].x <<= 2
    again = p.rows[2]
    again.x += 1000
    total += sum(row.x for row in p.rows)
    first = p.a + p.inner.x * 1000 + p.inner.y + q + total * 7
    return first + sum(b) + max(a) + len(a) + x * y * z + (3 in b) * 5 + a[m]

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    n: i64 = ctx.args[0]
    m: i64 = ctx.args[1]
    out[0] = f(n, m)
    return 1

@raw_tracepoint("sys_enter")
def store(ctx: RawTracepointContext) -> int:
    n = ctx.args[0]
    local = Outer(a=n)
    for i in range(4):
        local.rows[i].y = n + i
    local.rows[n].x = -5
    kept[1] = local
    there = kept.get(1)
    if there is not None:
        there.rows[n].x -= 1
        there.inner.y = there.rows[3].y
        return 1
    return 2
"""


class Inner:
    def __init__(self, x: int = 0, y: int = 0) -> None:
        self.x, self.y = x, y


class Outer:
    def __init__(self, a: int, inner: Inner) -> None:
        self.a, self.inner, self.rows = a, inner, [Inner() for _ in range(4)]


def in_python(made: Any) -> Any:
    names: dict[str, Any] = {"Inner": Inner, "Outer": Outer}
    for name in ("grow", "f"):
        names[name] = FunctionType(getattr(made, name).__code__, names)
    return SimpleNamespace(**names)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("n", "m"), [(1, 0), (3, -1), (7, -8), (-8, 2), (8, 0), (-9, 0), (1, 8), (1, -9), (0, 7)]
)
def test_places_change_as_in_python(n: int, m: int) -> None:
    made = cell(TEXT)
    try:
        expected = (1, in_python(made).f(n, m))
    except IndexError:
        expected = (0, 0)
    with loaded(made.probe) as session:
        result = fire(session, made.probe, n, m)
        assert (result, int(session[made.out][0])) == expected


def test_records_in_maps_hold_arrays_of_records() -> None:
    made = cell(TEXT)
    with loaded(made.store) as session:
        assert fire(session, made.store, 2) == 1
        row = session[made.kept][1]
        assert [int(r["y"]) for r in row["rows"]] == [2, 3, 4, 5]
        assert [int(r["x"]) for r in row["rows"]] == [0, 0, -6, 0]
        assert (int(row["a"]), int(row["inner"]["y"])) == (2, 5)
        assert fire(session, made.store, 4) == 0
