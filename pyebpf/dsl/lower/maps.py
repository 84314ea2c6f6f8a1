"""Look-ups and updates of maps.

Nothing is lost silently: an update that the kernel refuses is counted, under the map's number, in
an array that user space reads.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from pyebpf.abi.constants import BPF_LOCAL_STORAGE_GET_F_CREATE, BPF_NOEXIST
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.dsl.types import BOOL, Maybe, Pointer, in_memory
from pyebpf.ir import nodes
from pyebpf.ir.losses import count_loss
from pyebpf.ir.nodes import CompareOp, Value
from pyebpf.ir.types import I32, I64, U32, U64, VOID, Space
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.stacks import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl import typed, typed_maps
    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.spec.types import DataType


class Optional(NamedTuple):
    """Something that may be None: whether it is there, and its value if it is."""

    flag: Value
    value: Value


def key_in(low: Expressions, spec: MapSpec, key: typed.Expr) -> Value:
    """Return a key as the helpers take it: the address of a copy, or a kernel object itself."""
    return low.number(key) if is_of_objects(spec) else low.in_slot(key, "key")


def is_of_objects(spec: MapSpec) -> bool:
    """Tell whether the keys of a map are kernel objects."""
    return MAP_KINDS[spec.kind].key == "object"


def handle(low: Expressions, made: typed.MapUse) -> Value:
    """Return a map as the helpers take it: a declared one, or one that the program found."""
    return low.number(made.handle) if made.handle is not None else low.build.map(made.spec)


def find(low: Expressions, made: typed.MapUse, key: Value) -> Value:
    """Return a pointer to the value of a key, null if it is absent."""
    if is_of_objects(made.spec):
        return obtain(low, made.spec, key, None, 0)
    return find_in(low, handle(low, made), made.spec, key)


def find_in(low: Expressions, of: Value, spec: MapSpec, key: Value) -> Value:
    """Return a pointer to the value of a key in a map that is at hand; null if it is absent."""
    kind = Pointer(Space.MAP, spec.value, nullable=True)
    return low.build.call("map_lookup_elem", (of, key), kind)


def obtain(low: Expressions, spec: MapSpec, key: Value, initial: Value | None, flags: int) -> Value:
    """Return a pointer to the value of an object; with the flag it is made if there is none."""
    build = low.build
    kind = Pointer(Space.MAP, spec.value, nullable=True)
    first = build.const(0, Pointer(Space.STACK)) if initial is None else initial
    arguments = (build.map(spec), key, first, build.const(flags, U64))
    return build.call(MAP_KINDS[spec.kind].getter, arguments, kind)


def if_found(low: Expressions, pointer: Value, then: Callable[[Value], None]) -> None:
    """Do something with a look-up's result if it is not null."""
    either(low, pointer, then, lambda: None)


def either(
    low: Expressions,
    pointer: Value,
    then: Callable[[Value], None],
    otherwise: Callable[[], None],
) -> None:
    """Do one thing with a look-up's result, or another if it is null."""
    build = low.build
    hit, miss, end = build.new_block("hit"), build.new_block("miss"), build.new_block("end")
    null = build.const(0, pointer.type)
    build.branch(build.compare(CompareOp.NE, pointer, null), hit, miss)
    build.start(hit)
    assert isinstance(pointer.type, Pointer)
    then(build.convert(pointer, Pointer(pointer.type.space, pointer.type.to)))
    build.jump(end)
    build.start(miss)
    otherwise()
    build.jump(end)
    build.start(end)


def update(low: Expressions, made: typed.MapUse, key: Value, value: Value, flags: int) -> Value:
    """Insert or replace; return the kernel's answer, 0 or a negative error number."""
    # Before "bpf: return long from bpf_map_ops funcs" (in v6.4) the verifier replaces this call by
    # one of a function that returns an `int`: on 5.10 the upper half of a negative answer is 0.
    # The lower half is right on all kernels.
    build = low.build
    arguments = (handle(low, made), key, value, build.const(flags, U64))
    return build.convert(build.call("map_update_elem", arguments, I64), I32)


def if_negative(low: Expressions, answer: Value, then: Callable[[], None]) -> None:
    """Do something if a helper answers with an error."""
    build = low.build
    bad, end = build.new_block("refused"), build.new_block("end")
    build.branch(build.compare(CompareOp.LT, answer, build.const(0, answer.type)), bad, end)
    build.start(bad)
    then()
    build.jump(end)
    build.start(end)


def count_lost(low: Expressions, number: int) -> None:
    """Count one refused update of the map with a number."""
    counters = low.unit.counters()
    is_array = isinstance(counters, MapSpec)
    count_loss(low.build, counters, number, low.scratch("lost", U32) if is_array else None)


def refused(low: Expressions, use: typed.MapUse, key: typed.Expr) -> Callable[[], None]:
    """Return what counts an index past the end of an array; nothing, if none can be there."""
    bounds = key.range
    if bounds is not None and bounds[0] >= 0 and bounds[1] < use.spec.max_entries:
        return lambda: None
    return lambda: count_lost(low, use.index)


def add_atomic(low: Expressions, pointer: Value, value: Value) -> None:
    """Add to a number that other CPUs may add to at the same time."""
    low.build.add(nodes.AtomicRmw(VOID, low.build.span, nodes.RmwOp.ADD, pointer, value))


def lookup(low: Expressions, expr: typed.MapGet) -> Optional:
    """Lower ``map.get(key)`` and ``map.pop(key)``."""
    build = low.build
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    flag, value = build.slot("found", BOOL), build.slot("entry", kind)
    key = key_in(low, expr.map.spec, expr.key)
    build.span = expr.span

    def hit(pointer: Value) -> None:
        if expr.remove and isinstance(kind, Pointer):
            entry = _copied(low, pointer)
        else:
            entry = pointer if isinstance(kind, Pointer) else build.load(pointer, kind)
        build.write(value, build.convert(entry, kind))
        if not expr.remove:
            build.write(flag, build.const(1, BOOL))
            return
        build.write(flag, removed(low, expr.map, key))
        if isinstance(kind, Pointer):  # an address other than 0 is that of a value
            taken, gone = build.new_block("taken"), build.new_block("gone")
            build.branch(build.read(flag), taken, gone)
            build.start(gone)
            build.write(value, build.const(0, kind))
            build.jump(taken)
            build.start(taken)

    def miss() -> None:
        build.write(value, build.const(0, kind))
        build.write(flag, build.const(0, BOOL))

    either(low, find(low, expr.map, key), hit, miss)
    return Optional(build.read(flag), build.read(value))


def obtained(low: Expressions, expr: typed_maps.Obtain) -> Optional:
    """Lower ``storage.get(object, create=True)``."""
    build, spec = low.build, expr.map.spec
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    key = key_in(low, spec, expr.key)
    build.span = expr.span
    pointer = obtain(low, spec, key, None, BPF_LOCAL_STORAGE_GET_F_CREATE)
    flag, value = build.slot("found", BOOL), build.slot("entry", kind)

    def hit(found: Value) -> None:
        build.write(value, found if isinstance(kind, Pointer) else build.load(found, kind))
        build.write(flag, build.const(1, BOOL))

    def miss() -> None:
        build.write(value, build.const(0, kind))
        build.write(flag, build.const(0, BOOL))
        count_lost(low, expr.map.index)

    either(low, pointer, hit, miss)
    return Optional(build.read(flag), build.read(value))


def taken(low: Expressions, expr: typed_maps.Taken) -> Optional:
    """Lower ``queue.pop()``: what the helper stored, if it says that it did."""
    build = low.build
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    place = build.slot("taken", kind)
    arguments = tuple(
        build.addr(place) if argument is None else low.number(argument)
        for argument in expr.arguments
    )
    build.span = expr.span
    answer = build.convert(build.call(expr.helper, arguments, I64), I32)
    good = build.compare(CompareOp.EQ, answer, build.const(0, I32))
    value = build.addr(place) if in_memory(kind) else build.read(place)
    return Optional(good, value)


def own_copy(low: Expressions, expr: typed.Expr, kind: DataType) -> Value:
    """Return the address of a record that is written now, and stays when the statement is over."""
    place = low.build.addr(low.build.slot("default", kind))
    low.into(expr, place)
    return place


def _copied(low: Expressions, pointer: Value) -> Value:
    """Return the address of a copy, which stays when the entry is gone."""
    build = low.build
    assert isinstance(pointer.type, Pointer)
    kind: Any = pointer.type.to
    copy = build.addr(build.slot("popped", kind))
    build.add(nodes.Copy(VOID, build.span, copy, pointer, kind.size))
    return copy


def index(low: Expressions, expr: typed_maps.Index) -> Value:
    """Lower an index: from the end if it is negative, past every end if it is out of range."""
    build = low.build
    value = low.number(expr.value)
    build.span = expr.span
    wide = build.convert(value, U64)
    length = build.const(expr.length, U64)
    if getattr(value.type, "signed", False):
        negative = build.compare(CompareOp.LT, value, build.const(0, value.type))
        from_end = build.binary(nodes.BinaryOp.ADD, wide, length)
        wide = build.add(nodes.Select(U64, build.span, negative, from_end, wide))
    inside = build.compare(CompareOp.LT, wide, length)
    none = build.const(U32.high, U64)
    return build.convert(build.add(nodes.Select(U64, build.span, inside, wide, none)), U32)


def element(low: Expressions, expr: typed_maps.Element) -> Value:
    """Lower ``array[index]``: its value, or the address of a record."""
    build = low.build
    key = key_in(low, expr.map.spec, expr.key)
    build.span = expr.span
    pointer = find(low, expr.map, key)
    low.abort_if(build.compare(CompareOp.EQ, pointer, build.const(0, pointer.type)))
    assert isinstance(pointer.type, Pointer)
    there = build.convert(pointer, Pointer(pointer.type.space, pointer.type.to))
    if isinstance(expr.type, Pointer):
        return there
    return build.load(there, expr.type)  # type: ignore[arg-type]


def get_or(low: Expressions, expr: typed_maps.GetOr) -> Value:
    """Lower ``map.get(key, default)`` and ``map.pop(key, default)``."""
    build, spec = low.build, expr.map.spec
    entry: Any = spec.value
    value = build.slot("entry", expr.type)  # type: ignore[arg-type]
    key = key_in(low, expr.map.spec, expr.key)
    is_record = isinstance(expr.type, Pointer)
    default = own_copy(low, expr.default, entry) if is_record else low.number(expr.default)
    build.write(value, build.convert(default, value.type))
    build.span = expr.span

    def hit(pointer: Value) -> None:
        if is_record:
            found = _copied(low, pointer) if expr.remove else pointer
        else:
            found = build.load(pointer, entry)
        found = build.convert(found, value.type)
        if expr.remove:
            gone = removed(low, expr.map, key)
            found = build.add(nodes.Select(value.type, build.span, gone, found, build.read(value)))
        build.write(value, found)

    if_found(low, find(low, expr.map, key), hit)
    return build.read(value)


def removed(low: Expressions, made: typed.MapUse, key: Value) -> Value:
    """Remove an entry; tell whether it was this program that removed it.

    Whoever removes the entry has it: of two CPUs that pop one key, one finds nothing.
    """
    build = low.build
    answer = build.call(MAP_KINDS[made.spec.kind].remover, (handle(low, made), key), I64)
    return build.compare(CompareOp.EQ, build.convert(answer, I32), build.const(0, I32))


def stack_id(low: Expressions, expr: typed_maps.StackId) -> Value:
    """Lower ``stacks.kernel()``; a stack that no map has a place for is counted."""
    build = low.build
    build.span = expr.span
    answer = _kept(low, expr.map.spec, expr.flags)
    given = build.slot("stack", I64)
    build.write(given, answer)

    def lost() -> None:
        build.write(given, answer)
        count_lost(low, expr.map.index)

    def no_place() -> None:
        if expr.second is None:
            lost()
            return
        other = _kept(low, expr.second.spec, expr.flags)
        marked = build.binary(nodes.BinaryOp.OR, other, build.const(SECOND, I64))
        build.write(given, marked)
        if_negative(low, other, lost)

    # A kernel thread has no stack in user space: nothing is lost then.
    none = build.const(-errno.EFAULT, I64)
    refused, tried, end = (build.new_block(name) for name in ("refused", "no_place", "end"))
    build.branch(build.compare(CompareOp.LT, answer, build.const(0, I64)), refused, end)
    build.start(refused)
    build.branch(build.compare(CompareOp.EQ, answer, none), end, tried)
    build.start(tried)
    no_place()
    build.jump(end)
    build.start(end)
    return build.read(given)


def _kept(low: Expressions, spec: MapSpec, flags: int) -> Value:
    """Keep the stack in a map; return the helper's answer."""
    build = low.build
    arguments = (low.context, build.map(spec), build.const(flags, U64))
    return build.call("get_stackid", arguments, I64)


def setdefault(low: Expressions, expr: typed.MapSetdefault) -> Value:
    """Lower ``map.setdefault(key, value)``: the entry that is there afterwards.

    If the map is full the value is the default, as it would be had it been inserted; of a record,
    a copy that is in no map.
    """
    build = low.build
    spec = expr.map.spec
    kind: Any = expr.type
    value = build.slot("entry", kind)
    key = key_in(low, spec, expr.key)
    if isinstance(kind, Pointer):
        default = own_copy(low, expr.value, spec.value)  # type: ignore[arg-type]
    else:
        default = low.in_slot(expr.value, "default")
    assert spec.value is not None
    in_place = bool(kernel_fields(spec.value))
    build.span = expr.span

    def take(pointer: Value) -> None:
        entry = pointer if isinstance(kind, Pointer) else build.load(pointer, kind)
        build.write(value, build.convert(entry, kind))

    def unmade() -> None:
        count_lost(low, expr.map.index)
        if in_place:  # the kernel knows a lock in a map only
            low.abort()
        else:
            take(default)

    def insert() -> None:
        update(low, expr.map, key, default, BPF_NOEXIST)
        # Another CPU may have inserted first, so what counts is what is there now.
        either(low, find(low, expr.map, key), take, unmade)

    if is_of_objects(spec):
        flags = BPF_LOCAL_STORAGE_GET_F_CREATE
        either(low, obtain(low, spec, key, default, flags), take, unmade)
        return build.read(value)
    either(low, find(low, expr.map, key), take, insert)
    return build.read(value)


def upsert(
    low: Expressions,
    use: typed.MapUse,
    key: Value,
    initial: Callable[[], Value],
    change: Callable[[Value], None],
) -> None:
    """Change the value of a key in place, inserting an initial value first if it is absent.

    The change is made after the insertion too, so of several CPUs that insert at once none is lost.
    """
    if is_of_objects(use.spec):
        made = obtain(low, use.spec, key, None, BPF_LOCAL_STORAGE_GET_F_CREATE)
        either(low, made, change, lambda: count_lost(low, use.index))
        return

    def insert() -> None:
        update(low, use, key, initial(), BPF_NOEXIST)
        again = find(low, use, key)
        either(low, again, change, lambda: count_lost(low, use.index))

    either(low, find(low, use, key), change, insert)


def zero(low: Expressions, kind: DataType) -> Value:
    """Return the address of a zeroed value."""
    pointer = low.build.addr(low.scratch("zero", kind))
    low.build.add(nodes.Fill(VOID, low.build.span, pointer, kind.size))
    return pointer
