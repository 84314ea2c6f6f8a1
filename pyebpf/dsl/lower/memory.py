"""Writing text and records to memory: one writer per typed expression that makes some."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.lower.bits import write_bits
from pyebpf.dsl.lower.kernel import KERNEL_WRITERS, kernel_base
from pyebpf.dsl.lower.number import field_address
from pyebpf.dsl.lower.octets import OCTETS_WRITERS
from pyebpf.dsl.lower.slices import SLICE_WRITERS
from pyebpf.dsl.typed_context import ContextText
from pyebpf.dsl.typed_places import MakeArray
from pyebpf.dsl.types import Array, Chars, Int, Pointer, Record, Space, in_memory
from pyebpf.ir import nodes
from pyebpf.ir.align import WORD, alignment
from pyebpf.ir.nodes import Value
from pyebpf.ir.types import I64, U32, VOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from pyebpf.diag import Span
    from pyebpf.spec.types import Field

    Writer: TypeAlias = Callable[[Value], None]

    from pyebpf.dsl.lower.expr import Expressions


def is_reference(expr: typed.Expr) -> bool:
    """Tell whether an expression is a pointer that stands for the record it points to."""
    return isinstance(expr.type, Pointer) and isinstance(expr.type.to, Record)


def size_in_memory(expr: typed.Expr) -> int:
    """Return how many bytes of text or record an expression is."""
    kind = expr.type
    if isinstance(kind, Pointer):
        kind = kind.to  # type: ignore[assignment]
    assert isinstance(kind, (Chars, Record, Array))
    return kind.size


def fill(low: Expressions, pointer: Value, size: int) -> None:
    """Set memory to zero."""
    low.build.add(nodes.Fill(VOID, low.build.span, pointer, size))


def member(low: Expressions, pointer: Value, kind: Any, offset: int) -> Value:
    """Return a pointer to something of a kind, ``offset`` bytes further."""
    assert isinstance(pointer.type, Pointer)
    inner = Pointer(pointer.type.space, kind)
    return low.build.add(nodes.Member(inner, low.build.span, pointer, offset))


def prepare(low: Expressions, expr: typed.Expr) -> Callable[[Value], None]:
    """Compute a value now; return what writes it to memory later.

    What is written into a reserved record must be computed before: nothing may end the program
    while the record is held, as a division by zero would.
    """
    if isinstance(expr, typed.MakeRecord):
        kind = expr.type
        assert isinstance(kind, Record)
        parts = [(field, prepare_field(low, field, value)) for field, value in expr.items]
        return lambda pointer: _write_parts(low, kind, parts, pointer)
    if isinstance(expr, MakeArray):
        array = expr.type
        assert isinstance(array, Array)
        items = [prepare(low, item) for item in expr.items]
        return lambda pointer: _write_items(low, array, items, pointer)
    if type(expr) in WRITERS:
        return lambda pointer: low.into(expr, pointer)
    if in_memory(expr.type) or is_reference(expr):
        source, size = low.memory(expr), size_in_memory(expr)
        span = expr.span
        return lambda pointer: _copy(low, span, pointer, source, size)
    value = low.number(expr)
    return lambda pointer: low.build.store(pointer, value)


def prepare_field(low: Expressions, field: Field, value: typed.Expr) -> Writer:
    """Do the same for a field; what writes a bit-field takes the address of the record."""
    if not field.bits and not field.big:
        return prepare(low, value)
    number = low.number(value)
    if field.big:
        swapped = low.build.swap(number)
        return lambda pointer: low.build.store(pointer, swapped)
    return lambda record: write_bits(low, record, field, number)


def _copy(low: Expressions, span: Span, pointer: Value, source: Value, size: int) -> None:
    low.build.add(nodes.Copy(VOID, span, pointer, source, size))


def _write_items(low: Expressions, kind: Array, items: list[Writer], pointer: Value) -> None:
    if len(items) < kind.length:
        fill(low, pointer, kind.size)
    for number, write in enumerate(items):
        write(member(low, pointer, kind.element, number * kind.element.size))


def _array(low: Expressions, expr: MakeArray, pointer: Value) -> None:
    prepare(low, expr)(pointer)


def _write_parts(
    low: Expressions, kind: Record, parts: list[tuple[Field, Writer]], pointer: Value
) -> None:
    size = sum(field.type.size for field, _ in parts)
    if size != kind.size or any(field.bits for field in kind.fields):
        fill(low, pointer, kind.size)  # padding too: the kernel compares keys byte by byte
    for field, write in parts:
        write(pointer if field.bits else member(low, pointer, field.type, field.offset))


def _comm(low: Expressions, expr: typed.Comm, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    # The kernels from 5.19 to 6.1 leave what is behind the name as it is, also in a key.
    fill(low, pointer, expr.type.length)
    size = low.build.const(expr.type.length, U32)
    low.build.call("get_current_comm", (pointer, size), I64)


def _context_text(low: Expressions, expr: ContextText, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    done = 0
    while done < expr.type.length:
        width = _chunk(expr.type.length - done, expr.offset + done, _aligned(pointer, done))
        kind = Int(width * 8)
        load = nodes.CtxLoad(kind, expr.span, low.context, expr.offset + done, width)
        low.build.store(member(low, pointer, kind, done), low.build.add(load))
        done += width


def _aligned(pointer: Value, offset: int) -> int:
    """Return what an address behind a pointer is a multiple of."""
    return gcd(alignment(pointer), offset) or WORD


def _chunk(left: int, *places: int) -> int:
    """Return the widest step that is not longer than what is left, and divides all places."""
    width = WORD
    while width > left or any(place % width for place in places):
        width //= 2
    return width


def _kernel_text(low: Expressions, expr: typed.KernelRead, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    base = kernel_base(low, expr.base)
    address = field_address(low, base, expr)
    fill(low, pointer, expr.type.length)
    size = low.build.const(expr.type.length, U32)
    user = isinstance(base.type, Pointer) and base.type.space is Space.USER
    helper = "probe_read_user_str" if user else "probe_read_kernel_str"
    low.build.call(helper, (pointer, size, address), I64)


def _entry_text(low: Expressions, expr: typed.EntryText, pointer: Value) -> None:
    assert isinstance(expr.type, (Chars, Array))
    _copy(low, expr.span, pointer, low.entries[expr.turn][0], expr.type.size)


def _record(low: Expressions, expr: typed.MakeRecord, pointer: Value) -> None:
    prepare(low, expr)(pointer)


#: So many bytes behind a text are set to zero at once, before it.
_MANY_ZEROS = 128
_WORD_BYTES = 8


def _text(low: Expressions, expr: typed.TextData, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    written = expr.value.encode()
    data = written.ljust(expr.type.length, b"\0")
    done = 0
    if len(data) - len(written) >= _MANY_ZEROS:
        fill(low, pointer, len(data))
        data = data[: -(-len(written) // _WORD_BYTES) * _WORD_BYTES]
    while done < len(data):
        width = _chunk(len(data) - done, _aligned(pointer, done))
        kind = Int(width * 8)
        value = low.build.const(int.from_bytes(data[done : done + width], "little"), kind)
        low.build.store(member(low, pointer, kind, done), value)
        done += width


WRITERS: dict[type[typed.Expr], Callable[[Expressions, Any, Value], None]] = {
    typed.Comm: _comm,
    ContextText: _context_text,
    typed.KernelRead: _kernel_text,
    typed.EntryText: _entry_text,
    typed.MakeRecord: _record,
    MakeArray: _array,
    typed.TextData: _text,
    **KERNEL_WRITERS,
    **OCTETS_WRITERS,
    **SLICE_WRITERS,
}
