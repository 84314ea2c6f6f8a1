"""The passes that leave out what nobody needs: zeros, and copies of one piece of source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyebpf.diag import Source, Span
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.context import Context
from pyebpf.ir.legal import verify
from pyebpf.ir.losses import count_loss
from pyebpf.ir.nodes import CompareOp, Function, GlobalVariable, Param
from pyebpf.ir.passes.copies import join_copies
from pyebpf.ir.passes.early import read_early
from pyebpf.ir.passes.fills import trim_fills
from pyebpf.ir.passes.late import ask_late
from pyebpf.ir.passes.tails import share_tails
from pyebpf.ir.text import function_text
from pyebpf.ir.types import I32, I64, U32, U64, VOID, Pointer, Space
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.target import FrozenFeatures, Target
from pyebpf.spec.types import U16, Array, Chars

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.ir.nodes import Value
    from pyebpf.ir.types import Type

SPAN = Span(Source("a.py", "x = 1\n"), 1, 0, 1, 5)
RING, ONE = MapSpec("sent", "ringbuf", 0, 0, 4096), MapSpec("one", "array", 4, 8, 1, 0, U32, U64)


def context(*features: str) -> Context:
    return Context(Target(None, FrozenFeatures(frozenset(features))))


def function() -> Builder:
    param = Param(Pointer(Space.CTX), SPAN, "ctx")
    b = Builder(Function("probe", "tp_btf/x", (param,), I32, [], [], SPAN))
    b.span = SPAN
    return b


def body_of(b: Builder) -> list[str]:
    verify(b.function, after="test")
    return [line.strip() for line in function_text(b.function).splitlines()[1:-1]]


def fills_of(b: Builder, *features: str) -> list[tuple[int, int]]:
    """Return where zeros are left in the record, and how many."""
    trim_fills(b.function, context(*features))
    verify(b.function, after="fills")
    found = []
    for instr in (i for block in b.function.blocks for i in block.instrs):
        if isinstance(instr, nodes.Fill):
            place = instr.pointer
            found.append((place.offset if isinstance(place, nodes.Member) else 0, instr.size))
    return found


def record(b: Builder, size: int = 32) -> Value:
    """A record in a ring buffer, cleared; the program goes on where there is room."""
    kind = Pointer(Space.RING, nullable=True)
    found = b.call("ringbuf_reserve", (b.map(RING), b.const(size), b.const(0)), kind)
    room, full = b.new_block("room"), b.new_block("full")
    b.branch(b.compare(CompareOp.EQ, found, b.const(0, kind)), full, room)
    b.start(full)
    b.ret(b.const(0, I32))
    b.start(room)
    place = b.convert(found, Pointer(Space.RING))
    b.add(nodes.Fill(VOID, SPAN, place, size))
    return place


def store(b: Builder, base: Value, offset: int, kind: Type) -> None:
    place = b.add(nodes.Member(Pointer(Space.RING, kind), SPAN, base, offset))
    b.store(place, b.const(1, kind))


def send(b: Builder, place: Value) -> None:
    b.call("ringbuf_submit", (place, b.const(0)), VOID)
    b.ret(b.const(0, I32))


def test_zeros_that_are_overwritten_are_left_out() -> None:
    b = function()
    place = record(b)
    store(b, place, 0, U64)
    b.call("ktime_get_ns", ())  # knows nothing of the record
    store(b, place, 12, U32)
    store(b, place, 18, U16)
    send(b, place)
    # Of the second word its first half; of the third all, for less would be two stores.
    assert fills_of(b) == [(8, 4), (16, 16)]


def test_what_is_filled_by_a_name_needs_no_zeros_where_the_kernel_pads_it() -> None:
    for features, left in ((("cpu_v4",), []), ((), [(0, 16)])):
        b = function()
        place = record(b, 16)
        b.call("get_current_comm", (place, b.const(16, U32)), I64)
        send(b, place)
        assert fills_of(b, *features) == left


def test_a_variable_may_name_the_record() -> None:
    b = function()
    place = record(b, 8)
    event = b.slot("event", Pointer(Space.RING))
    b.write(event, place)
    store(b, b.read(event), 0, U64)
    send(b, b.read(event))
    assert fills_of(b) == []


def _read(b: Builder, place: Value) -> None:
    b.load(b.add(nodes.Member(Pointer(Space.RING, U64), SPAN, place, 0)), U64)


def _decided(b: Builder, place: Value) -> None:
    now = b.call("ktime_get_ns", ())
    then, other = b.new_block("then"), b.new_block("other")
    b.branch(b.compare(CompareOp.EQ, now, b.const(0)), then, other)
    b.start(other)
    send(b, place)
    b.start(then)


@pytest.mark.parametrize("before", [_read, _decided])
def test_zeros_that_may_be_seen_stay(before: Callable[[Builder, Value], None]) -> None:
    b = function()
    place = record(b, 8)
    before(b, place)
    store(b, place, 0, U64)
    send(b, place)
    assert fills_of(b) == [(0, 8)]


def test_zeros_in_a_map_stay() -> None:
    b = function()
    place = b.add(
        nodes.GlobalAddr(Pointer(Space.MAP, U64), SPAN, GlobalVariable("g", U64, bytes(8)))
    )
    b.add(nodes.Fill(VOID, SPAN, place, 8))
    b.store(place, b.const(1))
    b.ret(b.const(0, I32))
    assert fills_of(b) == [(0, 8)]


def turns(*spans: Span, changed: int | None = None) -> Builder:
    """Turns of a loop that is written out, each of which may count something and leave."""
    b = function()
    key = b.slot("key", U32)
    now = b.call("ktime_get_ns", ())
    after = b.new_block("after")
    for turn, span in enumerate(spans):
        b.span = SPAN
        found, further = b.new_block("found"), b.new_block("further")
        b.branch(b.compare(CompareOp.LT, now, b.const(10**turn)), found, further)
        b.start(found)
        b.span = span
        b.write(key, b.const(7 if turn == changed else 0, U32))
        kind = Pointer(Space.MAP, U64, nullable=True)
        entry = b.call("map_lookup_elem", (b.map(ONE), b.addr(key)), kind)
        hit, miss = b.new_block("hit"), b.new_block("miss")
        b.branch(b.compare(CompareOp.NE, entry, b.const(0, kind)), hit, miss)
        b.start(hit)
        there = b.convert(entry, Pointer(Space.MAP, U64))
        b.add(nodes.AtomicRmw(VOID, span, nodes.RmwOp.ADD, there, b.const(1)))
        b.jump(after)
        b.start(miss)
        b.jump(after)
        b.start(further)
    b.jump(after)
    b.start(after)
    b.ret(b.const(0, I32))
    return b


def _lookups(b: Builder) -> int:
    join_copies(b.function, context())
    return sum("map_lookup_elem" in line for line in body_of(b))


def test_turns_that_leave_alike_share_what_they_do() -> None:
    assert _lookups(turns(SPAN, SPAN, SPAN)) == 1


def test_what_differs_stays_apart() -> None:
    assert _lookups(turns(SPAN, SPAN, SPAN, changed=1)) == 2
    other = Span(SPAN.source, 2, 0, 2, 5)
    assert _lookups(turns(SPAN, other, SPAN)) == 2, "lines are what coverage counts"


def test_a_loss_is_counted_in_a_variable_or_an_array() -> None:
    b = function()
    counters = GlobalVariable("lost", Array(U64, 4), bytes(32), ".data.lost")
    count_loss(b, counters, 3)
    b.ret(b.const(0, I32))
    assert body_of(b) == [
        "entry:",
        "%0: map* u64[4] = global lost",
        "%1: map* bytes = member %0, 24",
        "%2: map* bytes = opaque %1",
        "atomic_add %2, 1:u64",
        "return 0:i32",
    ]
    b = function()
    count_loss(b, MapSpec("lost", "array", 4, 8, 4, 0, U32, U64), 3)
    b.ret(b.const(0, I32))
    assert [line for line in body_of(b) if line.startswith(("write", "branch"))] == [
        "write $index, 3:u32",
        "branch %3, counted1, end2",
    ]


def test_a_name_on_the_stack_is_not_cleared_in_part() -> None:
    b = function()
    text = b.slot("text", Chars(16))
    place = b.addr(text)
    b.add(nodes.Fill(VOID, SPAN, place, 16))
    b.call("get_current_comm", (place, b.const(12, U32)), I64)
    b.call("trace_printk", (place, b.const(16, U32)), I64)
    b.ret(b.const(0, I32))
    assert fills_of(b, "cpu_v4") == [(12, 4)]


def two_ways(
    *, keys: tuple[int, int] = (1, 2), further: bool = False, called_with: bool = False
) -> Builder:
    """Two branches that count under a key each, on two lines, before they meet or do not."""
    b = function()
    key = b.slot("key", U32)
    now = b.call("ktime_get_ns", ())
    ends = [b.new_block("after"), b.new_block("apart")]
    ways = [b.new_block("way"), b.new_block("way")]
    b.branch(b.compare(CompareOp.LT, now, b.const(10)), *ways)
    for number, way in enumerate(ways):
        b.start(way)
        b.span = Span(SPAN.source, number + 1, 0, number + 1, 5)
        place = b.addr(key)
        if called_with:
            b.call("get_current_comm", (place, b.const(keys[number], U32)), I64)
        else:
            b.store(place, b.const(keys[number], U32))
        kind = Pointer(Space.MAP, U64, nullable=True)
        entry = b.call("map_lookup_elem", (b.map(ONE), place), kind)
        hit = b.new_block("hit")
        end = ends[number if further else 0]
        b.branch(b.compare(CompareOp.NE, entry, b.const(0, kind)), hit, end)
        b.start(hit)
        there = b.convert(entry, Pointer(Space.MAP, U64))
        b.add(nodes.AtomicRmw(VOID, b.span, nodes.RmwOp.ADD, there, b.const(1)))
        b.jump(end)
    for number, end in enumerate(ends):
        b.start(end)
        b.ret(b.const(number, I32))
    return b


def _shared(b: Builder, helper: str = "map_lookup_elem") -> int:
    share_tails(b.function, context())
    return sum(helper in line for line in body_of(b))


def test_ways_that_differ_in_a_number_share_what_they_do_with_it() -> None:
    b = two_ways()
    assert _shared(b) == 1
    lines = body_of(b)
    assert "write $number, 1:u32" in lines
    assert "write $number, 2:u32" in lines
    (read,) = (line.split(":")[0] for line in lines if line.endswith("read $number"))
    assert sum(line.endswith(f", {read}") for line in lines) == 1


def test_ways_that_do_the_same_need_no_number() -> None:
    b = two_ways(keys=(3, 3))
    assert _shared(b) == 1
    assert not any("$number" in line for line in body_of(b))


def test_ways_that_part_again_stay_apart() -> None:
    assert _shared(two_ways(further=True)) == 2


def test_what_a_helper_is_called_with_is_not_made_a_variable() -> None:
    assert _shared(two_ways(called_with=True), "get_current_comm") == 2


def test_three_ways_meet_at_one_place() -> None:
    b = turns(*(Span(SPAN.source, line, 0, line, 5) for line in (1, 2, 3)))
    assert _lookups(b) == 3, "on three lines"
    assert _shared(b) == 1


def sent(*, read: bool = False) -> list[str]:
    """What a program does that sends the time, and who runs, when it was asked for both."""
    b = function()
    now = b.call("ktime_get_ns", ())
    who = b.binary(nodes.BinaryOp.SHR, b.call("get_current_pid_tgid", ()), b.const(32))
    if read:
        key = b.slot("key", U64)
        b.write(key, now)
        b.call("map_delete_elem", (b.map(ONE), b.addr(key)), I64)
    place = record(b, 16)
    for offset, value in ((0, now), (8, who)):
        at = b.add(nodes.Member(Pointer(Space.RING, U64), SPAN, place, offset))
        b.store(at, value)
    send(b, place)
    ask_late(b.function, context())
    return [
        line.split("helper ")[-1].partition(",")[0] if "helper" in line else "store"
        for line in body_of(b)
        if "helper" in line or line.startswith("store")
    ]


def test_what_a_record_is_made_of_is_asked_for_when_it_is_stored() -> None:
    assert sent() == [
        "ringbuf_reserve",
        *("ktime_get_ns", "store", "get_current_pid_tgid", "store"),
        "ringbuf_submit",
    ]


def test_what_others_use_before_is_not_asked_for_later() -> None:
    assert sent(read=True)[:4] == [
        *("ktime_get_ns", "get_current_pid_tgid", "map_delete_elem", "ringbuf_reserve")
    ]


def reading(*offsets: int, section: str = "raw_tp/x") -> list[str]:
    """The calls and the reads of the context of a program that calls before it reads."""
    b = function()
    b.function.section = section
    ctx = b.function.params[0]
    b.call("ktime_get_ns", ())
    for offset in offsets:
        b.call("trace_printk", (b.add(nodes.CtxLoad(U64, SPAN, ctx, offset, 8)),), I64)
    b.ret(b.const(0, I32))
    read_early(b.function, context())
    return [w for line in body_of(b) for w in ("ctx_load", "ktime_get_ns", "printk") if w in line]


def test_the_one_word_that_is_read_of_a_context_is_read_before_calls() -> None:
    assert reading(8) == ["ctx_load", "ktime_get_ns", "printk"]


def test_a_context_that_is_kept_anyway_or_may_change_is_read_later() -> None:
    later = ["ktime_get_ns", "ctx_load", "printk"]
    assert reading(8, 16) == [*later, "ctx_load", "printk"]
    assert reading(8, section="kprobe/x") == later


def test_many_ways_meet_in_one_step_each() -> None:
    b = turns(*(Span(SPAN.source, line, 0, line, 5) for line in range(1, 200)))
    slots = len(b.function.slots)
    assert _shared(b) == 1
    assert len(b.function.slots) == slots, "they differ in nothing, so no variable is needed"
