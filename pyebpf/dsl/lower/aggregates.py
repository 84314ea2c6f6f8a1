"""Aggregates, from the typed tree to IR: the row of this CPU, and what a value changes in it.

A program may be interrupted, on its own CPU, by another that adds to the same row. So everything
here is an atomic addition, or goes well whenever another program runs between two of its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower.memory import member
from pyebpf.dsl.types import Int, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, CompareOp, Const, Value
from pyebpf.ir.types import BOOL, I64, U32, U64
from pyebpf.spec.aggregates import BUCKET, CELL, COPIES, HistogramSpec, SeriesSpec, SummarySpec
from pyebpf.spec.types import Array

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl import typed
    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.spec.objects import MapSpec

    #: Changes a row, wherever in the program its address is known.
    Change: TypeAlias = Callable[[Value], None]

#: How often an extreme is tried to be replaced, while others replace it first.
_TRIES = 4


def add(low: Expressions, stmt: typed.Add) -> None:
    """Lower ``aggregate[key].add(value)``."""
    shape = stmt.map.decl.aggregate()
    key = None if stmt.key is None else low.in_slot(stmt.key, "key")
    value = None if stmt.value is None else low.number(stmt.value)
    low.build.span = stmt.span
    if isinstance(shape, HistogramSpec):
        assert value is not None
        change = _histogram(low, stmt, shape, value)
    elif isinstance(shape, SummarySpec):
        change = _summary(low, stmt, shape, value)
    else:
        assert isinstance(shape, SeriesSpec)
        assert value is not None
        change = _series(low, shape, value)
    if key is None:
        _in_row_of_cpu(low, stmt, change)
        return
    kind = stmt.map.spec.value
    assert isinstance(kind, Array)
    zeros = low.unit.zero_map(kind.size)
    lower_map.upsert(low, stmt.map, key, lambda: _zero_row(low, zeros), change)


def _in_row_of_cpu(low: Expressions, stmt: typed.Add, change: Change) -> None:
    build = low.build
    cpu = low.scratch("cpu", U32)
    number = build.convert(build.call("get_smp_processor_id", ()), U32)
    # A CPU beyond those of the target shares the row of another: all that is done there is atomic.
    last = build.const(stmt.map.spec.max_entries - 1, U32)
    if last.value & (last.value + 1):
        number = _select(low, build.compare(CompareOp.GT, number, last), last, number)
    else:
        number = build.binary(BinaryOp.AND, number, last)
    build.write(cpu, number)
    lower_map.if_found(low, lower_map.find(low, stmt.map, build.addr(cpu)), change)


def _zero_row(low: Expressions, zeros: MapSpec) -> Value:
    # A row may be as large as the whole stack, so the zeros come from a map that nobody writes to.
    build = low.build
    index = low.scratch("index", U32)
    build.write(index, build.const(0, U32))
    key = build.addr(index)
    pointer = lower_map.find_in(low, build.map(zeros), zeros, key)
    null = build.const(0, pointer.type)
    low.abort_if(build.compare(CompareOp.EQ, pointer, null))
    return build.convert(pointer, Pointer(Space.MAP, zeros.value))


def _cell(low: Expressions, row: Value, number: int) -> Value:
    return member(low, row, U64, CELL * number)


def _histogram(low: Expressions, stmt: typed.Add, shape: HistogramSpec, value: Value) -> Change:
    build = low.build
    slot = (
        _log2_slot(low, value, shape) if shape.kind == "log2" else _linear_slot(low, value, shape)
    )

    def change(row: Value) -> None:
        cell = Pointer(Space.MAP, U64)
        place = nodes.Element(cell, build.span, row, slot, CELL, shape.slots)
        lower_map.add_atomic(low, build.add(place), build.const(1, U64))
        if stmt.totals:
            total = _cell(low, row, shape.slots)
            lower_map.add_atomic(low, total, build.convert(value, U64))

    return change


def _log2_slot(low: Expressions, value: Value, shape: HistogramSpec) -> Value:
    """Return the slot of a value; that of 0 for what is below."""
    build, bits = low.build, shape.sub_bits
    number = _not_negative(low, value)
    top = _highest_bit(low, number, value)
    if not bits:
        return top
    # Within a power of two the next ``bits`` bits choose; small numbers have slots of their own.
    beyond = build.binary(BinaryOp.SUB, top, build.const(bits, U64))
    large = build.compare(CompareOp.GT, top, build.const(bits, U64))
    shift = _select(low, large, beyond, build.const(0, U64))
    first = build.binary(BinaryOp.SHL, shift, build.const(bits, U64))
    return build.binary(BinaryOp.ADD, first, build.binary(BinaryOp.SHR, number, shift))


def _highest_bit(low: Expressions, number: Value, value: Value) -> Value:
    """Return the position of the highest set bit; 0 for 0."""
    build, kind = low.build, value.type
    assert isinstance(kind, Int)
    rest = build.slot("rest", U64)
    slot = build.slot("slot", U64)
    build.write(rest, number)
    build.write(slot, build.const(0, U64))
    for step in (32, 16, 8, 4, 2):
        if step >= kind.bits:
            continue
        now = build.read(rest)
        big, on = build.new_block("big"), build.new_block("on")
        limit = Const(U64, build.span, 1 << step)
        build.branch(build.compare(CompareOp.GE, now, limit), big, on)
        build.start(big)
        # Opaque: LLVM would make two choices of this, and each is a branch.
        less = build.binary(BinaryOp.SHR, now, build.const(step, U64))
        build.write(rest, build.add(nodes.Opaque(U64, build.span, less)))
        found = build.binary(BinaryOp.ADD, build.read(slot), build.const(step, U64))
        build.write(slot, found)
        build.jump(on)
        build.start(on)
    last = build.binary(BinaryOp.SHR, build.read(rest), build.const(1, U64))
    return build.binary(BinaryOp.OR, build.read(slot), last)


def _not_negative(low: Expressions, value: Value) -> Value:
    build = low.build
    assert isinstance(value.type, Int)
    wide = build.convert(value, U64)
    if not value.type.signed:
        return wide
    below = build.compare(CompareOp.LT, value, build.const(0, value.type))
    return _select(low, below, build.const(0, U64), wide)


def _select(low: Expressions, condition: Value, then: Value, other: Value) -> Value:
    return low.build.add(nodes.Select(then.type, low.build.span, condition, then, other))


def _linear_slot(low: Expressions, value: Value, shape: HistogramSpec) -> Value:
    build = low.build
    assert isinstance(value.type, Int)
    last = build.const(shape.slots - 1, U64)
    if not value.type.signed and shape.low == 0:
        wide = build.convert(value, U64)
        slot = build.binary(BinaryOp.FLOORDIV, wide, build.const(shape.step, U64))
        return _select(low, build.compare(CompareOp.GT, slot, last), last, slot)
    signed = build.convert(value, I64)
    low_end = build.const(shape.low, I64)
    offset = build.convert(build.binary(BinaryOp.SUB, signed, low_end), U64)
    step = build.const(shape.step, U64)
    slot = build.binary(BinaryOp.FLOORDIV, offset, step)
    slot = _select(low, build.compare(CompareOp.GT, slot, last), last, slot)
    below = build.compare(CompareOp.LT, signed, low_end)
    if not value.type.signed and value.type.bits == I64.bits:
        # A number too large for i64 looks negative there, and belongs in the last slot.
        huge = build.compare(CompareOp.GT, value, build.const(I64.high, value.type))
        slot = _select(low, huge, last, slot)
        below = _select(low, huge, build.const(0, BOOL), below)
    return _select(low, below, build.const(0, U64), slot)


def _summary(low: Expressions, stmt: typed.Add, shape: SummarySpec, value: Value | None) -> Change:
    build = low.build
    wide = None if value is None else build.convert(value, U64)
    exchanges = not low.unit.target.lacks("atomics")

    def change(row: Value) -> None:
        for part in shape.extremes:
            assert wide is not None
            mask = shape.mask(part)
            code = build.binary(BinaryOp.XOR, wide, build.const(mask, U64)) if mask else wide
            if exchanges:
                _raise_to(low, stmt, _cell(low, row, shape.cell(part)), code)
            else:
                _raise_copies(
                    low, [_cell(low, row, shape.cell(part, n)) for n in range(COPIES)], code
                )
        # The count comes last: who reads it sees the extremes of all that it counts.
        amounts = {"count": build.const(1, U64), "sum": wide}
        for part in reversed(shape.added):
            amount = amounts[part]
            assert amount is not None
            lower_map.add_atomic(low, _cell(low, row, shape.cell(part)), amount)

    return change


def _raise_to(low: Expressions, stmt: typed.Add, place: Value, code: Value) -> None:
    """Store a number where a smaller one is, which others may do at the same time.

    Each time that the exchange fails, another program has just stored a greater number.
    """
    build = low.build
    end = build.new_block("end")
    seen = build.load(place, U64, volatile=True)
    for _ in range(_TRIES):
        further, store = build.new_block("further"), build.new_block("store")
        build.branch(build.compare(CompareOp.GT, code, seen), store, end)
        build.start(store)
        found = build.add(nodes.CompareExchange(U64, build.span, place, seen, code))
        build.branch(build.compare(CompareOp.EQ, found, seen), end, further)
        build.start(further)
        seen = found
    lower_map.count_lost(low, stmt.map.index)
    build.jump(end)
    build.start(end)


def _raise_copies(low: Expressions, places: list[Value], code: Value) -> None:
    """Store a number where smaller ones are, in each of several cells, without an exchange.

    A program that comes between a load and the store after it stores its number in all cells, and
    the store then replaces it in one of them. There are more cells than programs that can be
    interrupted at once, so the greatest number stays in one.
    """
    build = low.build
    for place in places:
        store, end = build.new_block("store"), build.new_block("end")
        seen = build.load(place, U64, volatile=True)
        build.branch(build.compare(CompareOp.GT, code, seen), store, end)
        build.start(store)
        build.store(place, code, volatile=True)
        build.jump(end)
        build.start(end)


def _series(low: Expressions, shape: SeriesSpec, value: Value) -> Change:
    build = low.build
    now = build.call("ktime_get_ns", ())
    turn = build.binary(BinaryOp.FLOORDIV, now, build.const(shape.step_ns, U64))
    number = build.binary(BinaryOp.MOD, turn, build.const(shape.buckets, U64))
    kind = Pointer(Space.MAP, Array(U64, len(BUCKET)))
    wide = build.convert(value, U64)

    def change(row: Value) -> None:
        size = CELL * len(BUCKET)
        element = nodes.Element(kind, build.span, row, number, size, shape.buckets)
        bucket = build.add(element)
        cells = {name: _cell(low, bucket, n) for n, name in enumerate(BUCKET)}
        _begin_turn(low, cells, turn)
        lower_map.add_atomic(low, cells["sum"], wide)
        lower_map.add_atomic(low, cells["count"], build.const(1, U64))

    return change


def _begin_turn(low: Expressions, cells: dict[str, Value], turn: Value) -> None:
    """Give a bucket to a turn, if it is still an older one's: store where its numbers begin.

    Nothing is set to 0, so nothing that another program adds can be lost. Such a program has given
    the bucket to the turn before it adds; so if the bucket is an older one's after both numbers are
    read, they are those of before the turn, and storing them again does no harm.
    """
    build = low.build
    old, begin, end = build.new_block("old"), build.new_block("begin"), build.new_block("end")

    def branch_if_older(then: nodes.Block) -> None:
        found = build.load(cells["turn"], U64, volatile=True)
        build.branch(build.compare(CompareOp.NE, found, turn), then, end)
        build.start(then)

    branch_if_older(old)
    before = {name: build.load(cells[name], U64, volatile=True) for name in ("count", "sum")}
    branch_if_older(begin)
    for name, number in before.items():
        build.store(cells[f"{name}_before"], number, volatile=True)
    build.store(cells["turn"], turn, volatile=True)
    build.jump(end)
    build.start(end)
