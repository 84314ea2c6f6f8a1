"""Statements with an effect: maps, aggregates, events, printed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.constants import BPF_ANY, BPF_LOCAL_STORAGE_GET_F_CREATE
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.dsl import typed, typed_maps, typed_shared
from pyebpf.dsl.check.printing import HEADER
from pyebpf.dsl.lower import aggregates, events
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower import shared as lower_shared
from pyebpf.dsl.lower.memory import fill, member
from pyebpf.dsl.lower.places import PLACE_EFFECTS
from pyebpf.dsl.types import Chars, Int
from pyebpf.ir import nodes
from pyebpf.ir.nodes import Value
from pyebpf.ir.types import I64, U32, VOID
from pyebpf.spec.types import Octets

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions


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
    typed.Add: aggregates.add,
    typed.Emit: events.emit,
    typed.Discard: events.discard,
    typed.Print: _print,
}
