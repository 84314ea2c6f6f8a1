"""Statements with an effect: maps, histograms, events, printed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.constants import BPF_ANY, BPF_LOCAL_STORAGE_GET_F_CREATE
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.dsl import typed, typed_maps, typed_shared
from pyebpf.dsl.check.printing import HEADER
from pyebpf.dsl.lower import events
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower import shared as lower_shared
from pyebpf.dsl.lower.memory import fill, member
from pyebpf.dsl.lower.places import PLACE_EFFECTS
from pyebpf.dsl.types import Chars, Int, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, CompareOp, Const, Value
from pyebpf.ir.types import BOOL, I64, U32, U64, VOID
from pyebpf.spec.types import Array, Octets

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.views import HistogramSpec


def _set(low: Expressions, stmt: typed.MapSet) -> None:
    spec = stmt.map.spec
    if spec.kind == "array" and isinstance(spec.value, Int) and stmt.value.type == spec.value:
        _set_element(low, stmt)
        return
    if lower_map.is_of_objects(spec):
        _set_of_object(low, stmt)
        return
    value = low.in_slot(stmt.value, "value")  # before the key, as Python does
    key = low.in_slot(stmt.key, "key")
    low.build.span = stmt.span
    answer = lower_map.update(low, stmt.map, key, value, BPF_ANY)
    lower_map.if_negative(low, answer, lambda: lower_map.count_lost(low, stmt.map.index))


def _set_element(low: Expressions, stmt: typed.MapSet) -> None:
    """Store a number in an array: a look-up, which JITs expand, and one store of all of it."""
    value = low.number(stmt.value)
    key = low.in_slot(stmt.key, "key")
    low.build.span = stmt.span
    pointer = lower_map.find(low, stmt.map, key)
    refused = lower_map.refused(low, stmt.map, stmt.key)
    lower_map.either(low, pointer, lambda place: low.build.store(place, value), refused)


def _set_of_object(low: Expressions, stmt: typed.MapSet) -> None:
    """Store the value of an object, made first if it has none."""
    value = low.in_slot(stmt.value, "value")
    key = lower_map.key_in(low, stmt.map.spec, stmt.key)
    low.build.span = stmt.span
    flags = BPF_LOCAL_STORAGE_GET_F_CREATE
    pointer = lower_map.obtain(low, stmt.map.spec, key, None, flags)
    size = stmt.map.spec.value_size

    def store(place: Value) -> None:
        low.build.add(nodes.Copy(VOID, low.build.span, place, value, size))

    lower_map.either(low, pointer, store, lambda: lower_map.count_lost(low, stmt.map.index))


def _counted_call(low: Expressions, stmt: typed_maps.CountedCall) -> None:
    answer = low.number(stmt.call)
    low.build.span = stmt.span
    lower_map.if_negative(low, answer, lambda: lower_map.count_lost(low, stmt.map.index))


def _delete(low: Expressions, stmt: typed.MapDelete) -> None:
    key = lower_map.key_in(low, stmt.map.spec, stmt.key)
    low.build.span = stmt.span
    remover = MAP_KINDS[stmt.map.spec.kind].remover
    low.build.call(remover, (lower_map.handle(low, stmt.map), key), I64)


def _hist(low: Expressions, stmt: typed.HistAdd) -> None:
    value = low.number(stmt.value)
    build = low.build
    build.span = stmt.span
    shape = stmt.map.decl.histogram()
    assert shape is not None
    slot = _log2_slot(low, value) if shape.kind == "log2" else _linear_slot(low, value, shape)

    def change(row: Value) -> None:
        place = nodes.Element(Pointer(Space.MAP, U64), build.span, row, slot, 8, shape.slots)
        lower_map.add_atomic(low, build.add(place), build.const(1, U64))
        if stmt.totals:
            total = member(low, row, U64, 8 * shape.slots)
            lower_map.add_atomic(low, total, build.convert(value, U64))

    if stmt.key is None:
        cpu = low.scratch("cpu", U32)
        number = build.call("get_smp_processor_id", ())
        build.write(cpu, build.convert(number, U32))
        row = lower_map.find(low, stmt.map, build.addr(cpu))
        lower_map.either(low, row, change, lambda: lower_map.count_lost(low, stmt.map.index))
        return
    key = low.in_slot(stmt.key, "key")
    kind = stmt.map.spec.value
    assert isinstance(kind, Array)
    zeros = low.unit.zero_map(kind.size)
    lower_map.upsert(low, stmt.map, key, lambda: _zero_row(low, zeros), change)


def _zero_row(low: Expressions, zeros: MapSpec) -> Value:
    # A row is as large as the whole stack, so the zeros come from a map that nobody writes to.
    build = low.build
    index = low.scratch("index", U32)
    build.write(index, build.const(0, U32))
    key = build.addr(index)
    pointer = lower_map.find_in(low, build.map(zeros), zeros, key)
    null = build.const(0, pointer.type)
    low.abort_if(build.compare(CompareOp.EQ, pointer, null))
    return build.convert(pointer, Pointer(Space.MAP, zeros.value))


def _log2_slot(low: Expressions, value: Value) -> Value:
    """Return the position of the highest set bit; 0 for 0 and below."""
    build = low.build
    kind = value.type
    assert isinstance(kind, Int)
    rest = build.slot("rest", U64)
    slot = build.slot("slot", U64)
    build.write(rest, _not_negative(low, value))
    build.write(slot, build.const(0, U64))
    for step in (32, 16, 8, 4, 2, 1):
        if step >= kind.bits:
            continue
        now = build.read(rest)
        big = build.compare(CompareOp.GE, now, Const(U64, build.span, 1 << step))
        # One choice for both: a selection is a branch, and BPF has no shorter form.
        shift = _select(low, big, build.const(step, U64), build.const(0, U64))
        build.write(rest, build.binary(BinaryOp.SHR, now, shift))
        build.write(slot, build.binary(BinaryOp.OR, build.read(slot), shift))
    return build.read(slot)


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


def _print(low: Expressions, stmt: typed.Print) -> None:
    build = low.build
    # Computed before the record is reserved: nothing may end the program while it is held.
    values = [
        low.memory(value) if isinstance(value.type, (Chars, Octets)) else low.number(value)
        for value in stmt.values
    ]
    build.span = stmt.span

    def write(record: Value) -> None:
        fill(low, record, HEADER)
        build.store(member(low, record, U32, 0), build.const(stmt.number, U32))
        for part, value in zip(stmt.layout.values, values, strict=True):
            if part.text:
                if part.size % 8:
                    fill(low, member(low, record, None, part.offset), -(-part.size // 8) * 8)
                place = member(low, record, None, part.offset)
                build.add(nodes.Copy(VOID, build.span, place, value, part.size))
            else:
                build.store(member(low, record, value.type, part.offset), value)

    events.send(low, low.unit.print_map(), stmt.layout.size, 0, write)


def _tail_call(low: Expressions, stmt: typed_maps.TailCall) -> None:
    index = low.number(stmt.index)
    build = low.build
    build.span = stmt.span
    build.call("tail_call", (low.context, build.map(stmt.map.spec), index), VOID)


EFFECTS: dict[type[typed.Stmt], Callable[[Any, Any], None]] = {
    typed.MapSet: _set,
    typed.MapDelete: _delete,
    typed_maps.TailCall: _tail_call,
    typed_maps.CountedCall: _counted_call,
    typed_shared.Change: lower_shared.change,
    **PLACE_EFFECTS,
    typed.HistAdd: _hist,
    typed.Emit: events.emit,
    typed.Discard: events.discard,
    typed.Print: _print,
}
