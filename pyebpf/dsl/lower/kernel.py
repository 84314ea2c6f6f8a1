"""Reads of memory in IR: numbers and pointers here, text and records into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl import typed_kernel as far
from pyebpf.dsl.lower.maps import Optional
from pyebpf.dsl.types import (
    BOOL,
    COPIES,
    Array,
    Bool,
    Chars,
    Int,
    Maybe,
    Pointer,
    Record,
    Space,
)
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, CompareOp, Value
from pyebpf.ir.types import I64, U32, U64, VOID, Type
from pyebpf.spec.objects import CoreKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias, TypeGuard

    from pyebpf.dsl.lower.expr import Expressions

    #: Writes a value that is computed to a place.
    Writer: TypeAlias = Callable[[Value], None]

_READ = {Space.KERNEL: "probe_read_kernel", Space.USER: "probe_read_user"}
_LOCATION_MASK = 0xFFFF


def kernel_base(low: Expressions, expr: typed.Expr) -> Value:
    """Return a pointer to a kernel object; a copy is loaded from like one."""
    value = low.number(expr)
    assert isinstance(value.type, Pointer)
    if value.type.space in COPIES:
        return low.build.convert(value, Pointer(Space.BTF, value.type.to))
    return value


def _struct_copy(low: Expressions, expr: far.StructCopy) -> Value:
    address = low.number(expr.address)
    low.build.span = expr.span
    target = low.build.addr(low.build.slot("copy", Array(U64, -(-expr.size // 8))))
    _probe(low, _READ[expr.space], target, expr.size, address)
    return low.build.convert(target, expr.type)  # type: ignore[arg-type]


def _at(low: Expressions, address: typed.Expr, space: Space, to: Any = None) -> Value:
    """Return an address as a pointer into a space."""
    value = low.number(address)
    return low.build.convert(value, Pointer(space, to))


def _memory_read(low: Expressions, expr: far.MemoryRead) -> Value:
    assert isinstance(expr.type, (Int, Bool, Pointer)), expr.type
    pointer = _at(low, expr.address, expr.space)
    low.build.span = expr.span
    return low.build.add(nodes.KernelLoad(expr.type, expr.span, pointer))


def read_optional(low: Expressions, expr: far.MemoryRead) -> Optional:
    """Lower a read that gives None where nothing can be read."""
    assert isinstance(expr.type, Maybe)
    kind = expr.type.inner
    address = low.number(expr.address)
    low.build.span = expr.span
    slot = low.build.slot("read", kind)
    answer = _probe(low, _READ[expr.space], low.build.addr(slot), kind.size, address)
    good = low.build.compare(CompareOp.EQ, answer, low.build.const(0, I64))
    return Optional(good, low.build.read(slot))


def _probe(low: Expressions, helper: str, target: Value, size: int, address: Value) -> Value:
    arguments = (target, low.build.const(size, U32), address)
    return low.build.call(helper, arguments, I64)


def _doubted(low: Expressions, expr: typed.Doubted) -> Value:
    """Return a pointer that can be computed with: NULL, or one that is not NULL for the verifier.

    What may be NULL for the verifier cannot be computed with, not even to say what to read.
    """

    def there(pointer: Value) -> Value:
        return low.build.convert(pointer, expr.type)  # type: ignore[arg-type]

    return if_there(low, expr, there)


def if_there(low: Expressions, expr: typed.Doubted, lower: Callable[[Value], Value]) -> Value:
    """Return what ``lower`` makes of a pointer, or 0 where it is NULL."""
    pointer = low.number(expr.value)
    build = low.build
    build.span = expr.span
    hit, miss, end = build.new_block("there"), build.new_block("null"), build.new_block("end")
    build.branch(build.compare(CompareOp.NE, pointer, build.const(0, pointer.type)), hit, miss)
    build.start(hit)
    # Else LLVM may compute an address before the branch.
    found = lower(build.add(nodes.Opaque(pointer.type, expr.span, pointer)))
    assert isinstance(found.type, (Int, Bool, Pointer))
    result = build.slot("found", found.type)
    build.write(result, found)
    build.jump(end)
    build.start(miss)
    build.write(result, build.const(0, found.type))
    build.jump(end)
    build.start(end)
    return build.read(result)


def _copy_in(low: Expressions, expr: far.MemoryRead) -> Writer:
    assert isinstance(expr.type, (Record, Chars, Array))
    address, size, span = low.number(expr.address), expr.type.size, expr.span

    def write(pointer: Value) -> None:
        low.build.span = span
        # What the helper cannot read it sets to zero.
        _probe(low, _READ[expr.space], pointer, size, address)

    return write


def _text_in(low: Expressions, expr: far.MemoryText) -> Writer:
    return _text_from(low, expr, low.number(expr.address), expr.space)


def _dynamic_text_in(low: Expressions, expr: far.DynamicText) -> Writer:
    return _text_from(low, expr, context_address(low, expr), Space.KERNEL)


def _text_from(low: Expressions, expr: typed.Expr, address: Value, space: Space) -> Writer:
    assert isinstance(expr.type, Chars)
    length, span = expr.type.length, expr.span

    def write(pointer: Value) -> None:
        low.build.span = span
        text_at(low, pointer, length, address, space)

    return write


def text_at(low: Expressions, target: Value, size: int, address: Value, space: Space) -> None:
    """Read text; what is behind its end is zero, as the kernel compares keys byte by byte."""
    low.build.add(nodes.Fill(VOID, low.build.span, target, size))
    _probe(low, f"{_READ[space]}_str", target, size, address)


def context_address(low: Expressions, expr: far.DynamicText | far.ContextAddress) -> Value:
    """Return where the dynamic data of a tracepoint lies."""
    build = low.build
    build.span = expr.span
    word = build.add(nodes.CtxLoad(U32, expr.span, low.context, expr.word, 4))
    offset = build.binary(BinaryOp.AND, word, build.const(_LOCATION_MASK, U32))
    start = build.convert(low.context, U64)
    wide = build.convert(offset, U64)
    if expr.after:
        wide = build.binary(BinaryOp.ADD, wide, build.const(expr.after, U64))
    place = build.binary(BinaryOp.ADD, start, wide)
    return build.convert(place, Pointer(Space.KERNEL))


def _place_address(low: Expressions, expr: far.PlaceAddress) -> Value:
    base = kernel_base(low, expr.base)
    low.build.span = expr.span
    assert isinstance(expr.type, Pointer)
    assert isinstance(base.type, Pointer)
    kind = Pointer(base.type.space, expr.type.to)
    address = low.build.add(nodes.FieldAddr(kind, expr.span, base, expr.path))
    return low.build.convert(address, expr.type)


def _offset(low: Expressions, expr: far.Offset) -> Value:
    return _moved(low, expr, low.number(expr.base), BinaryOp.ADD, low.number(expr.amount))


def _container_of(low: Expressions, expr: far.ContainerOf) -> Value:
    member = low.number(expr.member)
    offset = nodes.CoreValue(U64, expr.span, CoreKind.FIELD_BYTE_OFFSET, expr.path)
    return _moved(low, expr, member, BinaryOp.SUB, low.build.add(offset))


def _moved(low: Expressions, expr: typed.Expr, base: Value, op: BinaryOp, by: Value) -> Value:
    build = low.build
    build.span = expr.span
    assert isinstance(expr.type, Pointer)
    if isinstance(by, nodes.Const) and by.value == 0:
        return build.convert(base, expr.type)
    address = build.binary(op, build.convert(base, U64), build.convert(by, U64))
    return build.convert(address, expr.type)


def _context_address(low: Expressions, expr: far.ContextAddress) -> Value:
    return context_address(low, expr)


def _core_answer(low: Expressions, expr: far.CoreAnswer) -> Value:
    assert isinstance(expr.type, (Int, Bool))
    kind: Type = U64 if expr.type == BOOL else expr.type
    value = low.build.add(nodes.CoreValue(kind, expr.span, expr.kind, expr.path, expr.enumerator))
    if expr.type != BOOL:
        return value
    return low.build.compare(CompareOp.NE, value, low.build.const(0, kind))


def _after(low: Expressions, expr: far.After) -> Value:
    low.block(expr.first)
    return low.number(expr.value)


def _after_in(low: Expressions, expr: far.After, pointer: Value) -> None:
    low.block(expr.first)
    low.into(expr.value, pointer)


def _resized_in(low: Expressions, expr: far.ResizedText, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    if is_widened(expr):
        write_widened(low, lambda place: low.into(expr.value, place), expr.type.length, pointer)
        return
    source = low.memory(expr.value)
    low.build.add(nodes.Copy(VOID, low.build.span, pointer, source, expr.type.length))


def is_widened(expr: typed.Expr) -> TypeGuard[far.ResizedText]:
    """Tell whether a text is put into a larger place."""
    if not isinstance(expr, far.ResizedText):
        return False
    assert isinstance(expr.type, Chars)
    assert isinstance(expr.value.type, Chars)
    return expr.value.type.length < expr.type.length


def write_widened(low: Expressions, write: Writer, size: int, pointer: Value) -> None:
    """Write a text into a larger place of ``size`` bytes."""
    low.build.add(nodes.Fill(VOID, low.build.span, pointer, size))
    write(pointer)


#: Numbers and pointers.
KERNEL_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    far.MemoryRead: _memory_read,
    far.StructCopy: _struct_copy,
    typed.Doubted: _doubted,
    far.PlaceAddress: _place_address,
    far.Offset: _offset,
    far.ContainerOf: _container_of,
    far.ContextAddress: _context_address,
    far.CoreAnswer: _core_answer,
    far.After: _after,
}

#: Text and records in memory that the program cannot write to: where it is, then what reads it.
KERNEL_READERS: dict[type[typed.Expr], Callable[[Expressions, Any], Writer]] = {
    far.MemoryRead: _copy_in,
    far.MemoryText: _text_in,
    far.DynamicText: _dynamic_text_in,
}

#: Text and records.
KERNEL_WRITERS: dict[type[typed.Expr], Callable[[Expressions, Any, Value], None]] = {
    far.After: _after_in,
    far.ResizedText: _resized_in,
}
