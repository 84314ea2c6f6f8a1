"""Records in local variables, changed, in the kernel and in Python."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from pyebpf import (
    Array,
    Char,
    Events,
    RawTracepointContext,
    chars,
    i32,
    i64,
    raw_tracepoint,
    record,
)
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Inner:
    n: i64
    name: Char = chars(8)


@record
class Row:
    x: i64
    y: i32
    inner: Inner


def pair(n: i64) -> Inner:
    made = Inner(n=n)
    made.n += 1
    return made


def total(row: Row) -> i64:
    return row.x * 3 + row.y + row.inner.n


def work(a: i64, b: i64) -> i64:
    """Change records in every way."""
    row = Row(x=a, y=2)
    row.x += b
    row.x *= 3
    row.y -= 5
    row.y <<= 2
    row.inner.n = row.x // 7
    row.inner.n ^= 5
    row.inner.name = "abc"
    for i in range(5):
        row.x += i
        if row.x % 2:
            row.y += 1
    for i in range(300):
        row.inner.n += i
    made = pair(b)
    made.n += pair(a).n
    row.x %= 1_000
    before = total(row)
    row.x, row.y = row.y, 3
    if row.inner.name == "abc":
        row.inner.name = "other"
    return before * 5 + total(row) + made.n + (row.inner.name == "other")


results = Array[i64](max_entries=2)
sent = Events[Row](pages=1)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> int:
    a: i64 = ctx.args[0]
    b: i64 = ctx.args[1]
    results[0] = work(a, b)
    with sent.reserve() as row:
        row.x = a
        row.x *= 3
        row.y = 17
        row.y //= 5
        row.inner = Inner(n=b)
        row.inner.n -= 1
    return 1


def test_local_records_change_as_in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    names = globals()

    def inner(n: int = 0) -> Any:
        return SimpleNamespace(n=n, name="")

    def row(x: int, y: int) -> Any:
        return SimpleNamespace(x=x, y=y, inner=inner())

    values = list(itertools.product((-900, -1, 0, 3, 10_001), repeat=2))
    with loaded(probe) as session:
        found = []
        for a, b in values:
            assert fire(session, probe, a, b) == 1
            found.append(int(session[results].view()[0]))
        batch = session[sent].read()
    monkeypatch.setitem(names, "Inner", inner)
    monkeypatch.setitem(names, "Row", row)
    assert found == [work(a, b) for a, b in values]
    assert batch["x"].tolist() == [a * 3 for a, _ in values]
    assert set(batch["y"].tolist()) == {3}
    assert batch["inner"]["n"].tolist() == [b - 1 for _, b in values]
