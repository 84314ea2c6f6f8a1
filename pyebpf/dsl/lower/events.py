"""Records on their way to user space: in a ring buffer where they are built, or copied there.

A record of a fixed size is built in the ring buffer itself. What is trimmed has a size that is
known at the end only, and perf events take nothing but copies: such a record is a variable until it
is sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyebpf.abi.constants import BPF_F_CURRENT_CPU
from pyebpf.dsl.events import PERF
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower.memory import fill, member
from pyebpf.dsl.lower.prepare import prepare
from pyebpf.dsl.types import Chars, Pointer, Space
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, Value
from pyebpf.ir.types import BOOL, I64, U8, U64, VOID
from pyebpf.spec.events import SIZE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl import typed
    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.spec.events import EventShape
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.types import DataType

SUBMIT, DISCARD = "ringbuf_submit", "ringbuf_discard"
_BYTE_BITS, _BYTE = 8, 255


def emit(low: Expressions, stmt: typed.Emit) -> None:
    """Send one record."""
    shape, kind = stmt.shape, stmt.shape.kinds[stmt.number]
    write = prepare(low, stmt.record)
    low.build.span = stmt.span
    if shape.is_apart:
        place = low.build.addr(low.scratch("record", shape.stored(kind)))
        write(_record(low, shape, kind, place))
        _send_copy(low, stmt, place)
        return

    def write_all(place: Value) -> None:
        _write_number(low, stmt, place)
        write(_record(low, shape, kind, place))

    send(low, stmt.map.spec, shape.prefix + kind.size, stmt.map.index, write_all)


def send(
    low: Expressions, spec: MapSpec, size: int, number: int, write: Callable[[Value], None]
) -> None:
    """Let a record be written and send it; without room it is counted as lost.

    Args:
        low: the function being lowered.
        spec: the buffer.
        size: of the record in bytes.
        number: of the buffer among what is counted.
        write: writes all of the record.
    """
    build = low.build
    if spec.kind == PERF:
        place = build.addr(low.scratch("record", Chars(size)))
        write(place)
        _output(low, spec, number, place, build.const(size, U64))
        return

    def fill_in(pointer: Value) -> None:
        write(pointer)
        build.call(SUBMIT, (pointer, build.const(0, U64)), VOID)

    lost = partial(lower_map.count_lost, low, number)
    lower_map.either(low, _reserve(low, spec, size, None), fill_in, lost)


def reserve(low: Expressions, stmt: typed.Reserve) -> None:
    """Let a block fill a record in, and send it when the block is left."""
    shape, kind = stmt.shape, stmt.shape.kinds[stmt.number]
    stored = shape.stored(kind)
    if shape.is_apart:
        place = low.build.addr(low.build.slot(stmt.variable.name, stored))
        low.senders[place] = partial(_send_copy, low, stmt, place)
        _block(low, stmt, place)
        return
    record = _reserve(low, stmt.map.spec, stored.size, stored)
    lost = partial(lower_map.count_lost, low, stmt.map.index)
    lower_map.either(low, record, partial(_block, low, stmt), lost)


def _block(low: Expressions, stmt: typed.Reserve, place: Value) -> None:
    shape, kind = stmt.shape, stmt.shape.kinds[stmt.number]
    fill(low, place, shape.stored(kind).size)
    if not shape.is_apart:
        _write_number(low, stmt, place)
    low.take(stmt.variable, _record(low, shape, kind, place))
    if stmt.variable.discarded:
        low.given_up[place] = flag = low.build.slot("discarded", BOOL)
        low.given_up_by[stmt.variable] = flag
        low.build.write(flag, low.build.const(0, BOOL))
    low.held.append(place)
    low.block(stmt.body)
    if not low.build.done:
        low.release(len(low.held) - 1, SUBMIT)
    low.held.pop()


def _record(low: Expressions, shape: EventShape, kind: DataType, place: Value) -> Value:
    """Return where a record begins, behind what stands before it."""
    return member(low, place, kind, shape.prefix) if shape.prefix else place


def _reserve(low: Expressions, spec: MapSpec, size: int, kind: DataType | None) -> Value:
    """Reserve ``size`` bytes in a ring buffer; null if there is no room."""
    build = low.build
    pointer = Pointer(Space.RING, kind, nullable=True)
    arguments = (build.map(spec), build.const(size, U64), build.const(0, U64))
    return build.call("ringbuf_reserve", arguments, pointer)


def _write_number(low: Expressions, stmt: typed.Emit | typed.Reserve, place: Value) -> None:
    if stmt.shape.prefix:
        low.build.store(member(low, place, U64, 0), low.build.const(stmt.number, U64))


def _send_copy(low: Expressions, stmt: typed.Emit | typed.Reserve, place: Value) -> None:
    """Send a record that lies in memory of the program, as much of it as is used."""
    build, shape = low.build, stmt.shape
    kind = shape.kinds[stmt.number]
    build.span = stmt.span
    size: Value = build.const(kind.size, U64)
    tail = shape.tail(kind)
    if tail is not None:
        assert isinstance(tail.type, Chars)
        text = member(low, place, tail.type, shape.prefix + tail.offset)
        used = _used(low, text, tail.type.length)
        size = build.binary(BinaryOp.ADD, used, build.const(tail.offset, U64))
    if shape.prefix:
        high = build.binary(BinaryOp.SHL, size, build.const(SIZE_SHIFT, U64))
        head = build.binary(BinaryOp.OR, high, build.const(stmt.number, U64))
        build.store(member(low, place, U64, 0), head)
        size = build.binary(BinaryOp.ADD, size, build.const(shape.prefix, U64))
    if tail is not None:
        size = build.add(nodes.Bounded(U64, build.span, size, shape.prefix + kind.size))
    _output(low, stmt.map.spec, stmt.map.index, place, size)


def _output(low: Expressions, spec: MapSpec, number: int, place: Value, size: Value) -> None:
    """Copy bytes into a buffer, or count them as lost."""
    build = low.build
    if spec.kind == PERF:
        flags = build.const(BPF_F_CURRENT_CPU, U64)
        sent = (low.context, build.map(spec), flags, place, size)
        answer = build.call("perf_event_output", sent, I64)
    else:
        flags = build.const(0, U64)
        answer = build.call("ringbuf_output", (build.map(spec), place, size, flags), I64)
    lower_map.if_negative(low, answer, partial(lower_map.count_lost, low, number))


def _used(low: Expressions, text: Value, length: int) -> Value:
    """Return how many bytes of a text are used: a search by halves for where its zeros begin.

    At least up to the first NUL, since all before that is none. Not a single branch: a verifier
    would follow each way through them. It sees the bound because what is searched has a length that
    is a power of two: the end of the text, or its beginning if that has a zero before the end.
    """
    build = low.build
    half = 1 << (length.bit_length() - 1)
    skipped: Value = build.const(0, U64)
    if length > half:
        before = build.const(length - half - 1, U64)
        skipped = _step(low, text, before, length - half, length - half)
        window = nodes.Element(text.type, build.span, text, skipped, 1, length - half + 1)
        text = build.add(window)
    used: Value = build.const(0, U64)
    last = half
    while half := half >> 1:
        index = build.binary(BinaryOp.ADD, used, build.const(half - 1, U64))
        used = build.binary(BinaryOp.ADD, used, _step(low, text, index, last, half))
    used = build.binary(BinaryOp.ADD, used, _step(low, text, used, last, 1))
    return build.binary(BinaryOp.ADD, skipped, used)


def _step(low: Expressions, text: Value, index: Value, length: int, step: int) -> Value:
    """Return ``step`` if a byte of a text is none of its zeros, else 0."""
    build = low.build
    place = nodes.Element(Pointer(_space(text), U8), build.span, text, index, 1, length)
    byte = build.convert(build.load(build.add(place), U8), U64)
    carry = build.binary(BinaryOp.ADD, byte, build.const(_BYTE, U64))
    one = build.binary(BinaryOp.SHR, carry, build.const(_BYTE_BITS, U64))
    return build.binary(BinaryOp.MUL, one, build.const(step, U64))


def _space(pointer: Value) -> Space:
    assert isinstance(pointer.type, Pointer)
    return pointer.type.space


def discard(low: Expressions, stmt: typed.Discard) -> None:
    """Note that a reserved record is given up."""
    low.build.write(low.given_up_by[stmt.variable], low.build.const(1, BOOL))
