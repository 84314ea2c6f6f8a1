"""Records and arrays that are larger than the stack of a BPF program."""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Char,
    Events,
    chars,
    comm,
    compile_probes,
    raw_tracepoint,
    record,
    testing,
    u64,
)
from pyebpf.runtime.maps.percpu import PerCpuArrayMap
from tests.compile.cases import HERE, load_case
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel

TEXT = """
from pyebpf import *

@record
class Row:
    number: u64
    text: Char = chars(600)
    counts: FixedArray[u64] = array(100)

rows = Hash[u32, Row](max_entries=8)
events = Events[Row](pages=64)
out = Array[i64](max_entries=2)

def f(n, m):
    row = Row(number=n)
    for i in range(m):
        row.counts[i % 100] += i
    row.counts[-1] = n
    other = [0] * 90
    other[n % 90] = sum(row.counts)
    again = row
    again.number += 1
    return row.number * 10_000_000 + other[n % 90] + max(other)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(ctx.args[0], ctx.args[1])
    row = Row(number=ctx.args[0], text=comm())
    row.counts[ctx.args[1] % 100] = 5
    rows[1] = row
    found = rows.get(1)
    if found is not None:
        found.counts[99] = 7
        rows[2] = found
    rows.setdefault(3, row)
    events.emit(row)
    events.emit(Row(number=8))
    with events.reserve() as event:
        event.number = 9
        event.text = row.text
"""


def in_python(n: int, m: int) -> int:
    counts = [0] * 100
    for i in range(m):
        counts[i % 100] += i
    counts[-1] = n
    total = sum(counts)
    return (n + 1) * 10_000_000 + total + total


@pytest.mark.parametrize(("n", "m"), [(0, 0), (3, 10), (91, 1000)])
def test_large_records_hold_what_python_says(n: int, m: int) -> None:
    case = cell(TEXT)
    with testing.run(case.probe) as t:
        t.fire(case.probe, n, m)
        check(case, t, t.events(case.events), n, m, b"probe")
    with loaded(case.probe) as session:
        fire(session, case.probe, n, m)
        check(case, session, session[case.events].read(), n, m, None)
        assert session.lost() == {}


def check(case, opened, seen, n, m, name) -> None:  # type: ignore[no-untyped-def]
    assert opened[case.out][0] == in_python(n, m)
    counts = [0] * 100
    counts[m % 100] = 5
    first = opened[case.rows][1]
    name = name or first.text.encode()
    assert first.text.encode() == name != b""
    assert (first.number, list(first.counts)) == (n, [*counts[:-1], 7])
    assert opened[case.rows][2] == first
    assert list(opened[case.rows][3].counts) == counts
    assert seen["number"].tolist() == [n, 8, 9]
    assert seen["text"].tolist() == [name, b"", name]
    assert seen["counts"].tolist() == [counts, [0] * 100, [0] * 100]


def test_the_largest_that_a_program_may_keep() -> None:
    case = cell(
        """
from pyebpf import *

out = Array[u64](max_entries=1)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    numbers: FixedArray[u64] = array(4_095)
    for i in range(4_095):
        numbers[i] = i
    out[0] = sum(numbers) + numbers[ctx.args[0]]
"""
    )
    with loaded(case.probe) as session:
        fire(session, case.probe, 4_094)
        assert session[case.out][0] == sum(range(4_095)) + 4_094


def test_it_is_explained_and_found_late_and_outside_of_locks(
    requires: Callable[[str], None],
) -> None:
    requires("helper:spin_lock@raw_tp")
    large = HERE / "accept" / "records" / "large.py"
    with load_case(large) as case, loaded(case.late, case.in_a_lock) as session:
        assert "keeps 2816 bytes in memory of the CPU: `row`, `value`" in session.explain()
        fire(session, case.late, 5, 3)
        assert session[case.total].value == sum(range(3, 83))
        assert session[case.rows][1].counts[2] == 2


def test_room_is_found_for_registers_too() -> None:
    """480 bytes fit the stack, but not beside what the code saves there."""
    case = cell(_many_values())
    with loaded(case.probe) as session:
        assert "keeps 480 bytes in memory of the CPU: `value`" in session.explain()
        fire(session, case.probe, 0)
        assert session[case.out][0] == 1
        assert session[case.rows][1].number == 3


def _many_values() -> str:
    names = [f"t{i}" for i in range(16)]
    reads = "\n    ".join(f"{name} = ktime_get_ns()" for name in names)
    grows = " and ".join(f"{a} <= {b}" for a, b in itertools.pairwise(names))
    return f"""
from pyebpf import *

@record
class Row:
    number: u64
    text: Char = chars(472)

rows = Hash[u32, Row](max_entries=1)
out = Array[i64](max_entries=1)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    {reads}
    rows[1] = Row(number=3)
    out[0] = {grows}
"""


def test_functions_on_the_stack_at_once_share_it() -> None:
    """Neither needs more than the stack has, but both do together; old verifiers refuse that."""
    case = cell(
        """
from pyebpf import *

@record
class Row:
    number: u64
    text: Char = chars(240)

rows = Hash[u32, Row](max_entries=4)
out = Array[u64](max_entries=1)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    numbers = [0] * 40
    for i in range(ctx.args[0]):
        numbers[i % 40] += i
        rows[i & 3] = Row(number=i)
    out[0] = sum(numbers)
"""
    )
    with loaded(case.probe) as session:
        assert "bytes in memory of the CPU: `" in session.explain()
        fire(session, case.probe, 100)
        assert session[case.out][0] == sum(range(100))
        assert sorted(row.number for row in session[case.rows].values()) == [96, 97, 98, 99]


NESTED = """
from pyebpf import *

out = Array[u64](max_entries=4)

def noted(n):
    numbers = [0] * 80
    numbers[n % 80] = n
    return sum(numbers)

@raw_tracepoint("sys_enter")
def after(ctx: RawTracepointContext) -> None:
    out[2] += 1

steps = TailCalls(after)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    if n == 0:
        return
    out[0] += noted(n)
    if n == 2:
        return
    out[1] += 100 // (n - 3)
    for i in range(ctx.args[0]):
        if i == 4:
            return
        out[1] += 1
    steps.call(n - 4)
    out[3] += noted(n)
"""


def test_a_run_that_finds_the_memory_in_use_is_counted() -> None:
    """As one does that is started on a CPU on which the program has not ended yet."""
    case = cell(NESTED)
    with loaded(case.probe) as session:
        opened = session._loaded.maps["pyebpf_large_probe"]
        memory = PerCpuArrayMap(os.dup(opened.fd), opened.spec)
        # Early, by a return, by a division by zero, out of a loop, by a tail call, at the end.
        for n in (0, 1, 2, 3, 7, 10, 4, 1):
            fire(session, case.probe, n)
            assert not memory.snapshot()[1][..., 0].any(), f"in use after {n}"
        before = session[case.out].snapshot()[1].tolist()
        assert before[2] == 1
        values = memory.snapshot()[1]
        values[..., 0] = 1
        memory[0] = list(values[0])
        fire(session, case.probe, 1)
        assert session[case.out].snapshot()[1].tolist() == before
        assert session.lost() == {"programs that interrupted themselves": 1}
        memory.close()


def test_helpers_write_into_them() -> None:
    case = cell(
        """
from pyebpf import *
from pyebpf import helpers

@record
class Row:
    number: u64
    text: Char = chars(600)

rows = Hash[u32, Row](max_entries=4)
out = Array[i64](max_entries=1)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    row = Row()
    helpers.get_current_comm(row.text, 16)
    row.text = read_user_str(ctx.args[0], 600)
    out[0] = row.text == "hello"
    rows[1] = row
"""
    )
    text = ctypes.create_string_buffer(b"hello")
    with loaded(case.probe) as session:
        fire(session, case.probe, ctypes.addressof(text))
        assert session[case.out][0] == 1
        assert session[case.rows][1].text == "hello"


@record
class Page:
    number: u64
    text: Char = chars(4_000)
    more: Char = chars(40_000)


pages = Events[Page](pages=64)


@raw_tracepoint("sys_enter")
def send_page() -> None:
    with pages.reserve() as e:
        e.number = 7
        e.text = comm()
        e.more = "a"


def test_a_reserved_record_of_many_pages_is_zero_but_for_what_is_assigned() -> None:
    with loaded(send_page) as session:
        for _ in range(3):
            fire(session, send_page)
        rows = session[pages].read()
        assert len(rows) == 3
        here = Path("/proc/self/comm").read_bytes().rstrip(b"\n")
        for row in rows:
            assert (row["number"], row["text"], row["more"]) == (7, here, b"a")
    assert len(compile_probes(send_page).object) < 10_000
