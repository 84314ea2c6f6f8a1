"""Values that are computed now and written later.

For a place that the value may come from, or a record that a ring buffer waits for: nothing may end
the program in between, or read what is half written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.lower.bits import write_bits
from pyebpf.dsl.lower.kernel import KERNEL_READERS, is_widened, kernel_base, write_widened
from pyebpf.dsl.lower.memory import copy, fill, is_reference, member, size_in_memory
from pyebpf.dsl.lower.number import field_address
from pyebpf.dsl.typed_context import ContextText
from pyebpf.dsl.typed_kernel import After, ResizedText
from pyebpf.dsl.typed_octets import OctetsData
from pyebpf.dsl.typed_places import MakeArray
from pyebpf.dsl.types import Array, Chars, Pointer, Record, Space, in_memory
from pyebpf.ir.types import I64, U32

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    from pyebpf.dsl.lower.expr import Expressions
    from pyebpf.dsl.lower.kernel import Writer
    from pyebpf.ir.nodes import Value
    from pyebpf.spec.types import Field

    Preparer: TypeAlias = Callable[[Expressions, Any], Writer]


def prepare(low: Expressions, expr: typed.Expr) -> Writer:
    """Compute a value now; return what writes it to memory later."""
    if not in_memory(expr.type) and not is_reference(expr):
        value = low.number(expr)
        return lambda pointer: low.build.store(pointer, value)
    return PREPARERS.get(type(expr), _copied)(low, expr)


def prepare_apart(low: Expressions, expr: typed.Expr) -> Writer:
    """Do the same for a place that a part of the value may be read from.

    As ``row`` is in ``row = Row(text=row.text)``.
    """
    if isinstance(expr, (typed.MakeRecord, MakeArray)) and _reads_memory(expr):
        return _copied(low, expr)
    return prepare(low, expr)


def prepare_field(
    low: Expressions, field: Field, value: typed.Expr, whole: Preparer = prepare
) -> Writer:
    """Do the same for a field; what writes a bit-field takes the address of the record.

    Args:
        low: the function being lowered.
        field: where the value belongs.
        value: it.
        whole: what prepares a field that is no bit-field and is not swapped.
    """
    if not field.bits and not field.big:
        return whole(low, value)
    number = low.number(value)
    if field.big:
        swapped = low.build.swap(number)
        return lambda pointer: low.build.store(pointer, swapped)
    return lambda record: write_bits(low, record, field, number)


def mentions(expr: typed.Expr, variable: typed.Variable) -> bool:
    """Tell whether a value is made from a variable, or from a record that may be the same."""
    if isinstance(expr, typed.Read):
        kind = expr.variable.type
        is_name = isinstance(kind, Pointer) and isinstance(kind.to, Record)
        return is_name or expr.variable is variable
    return any(mentions(part, variable) for part in _parts(vars(expr).values()))


def _parts(values: Iterable[object]) -> Iterator[typed.Expr]:
    for value in values:
        if isinstance(value, typed.Expr):
            yield value
        elif isinstance(value, tuple):
            yield from _parts(value)


def _reads_memory(expr: typed.Expr) -> bool:
    """Tell whether writing a value, once it is computed, reads memory that programs write to."""
    if isinstance(expr, typed.MakeRecord):
        return any(_reads_memory(value) for _, value in expr.items)
    if isinstance(expr, MakeArray):
        return any(_reads_memory(item) for item in expr.items)
    if isinstance(expr, (After, ResizedText)):
        return _reads_memory(expr.value)
    return type(expr) not in PREPARERS and (in_memory(expr.type) or is_reference(expr))


def _copied(low: Expressions, expr: typed.Expr) -> Writer:
    source, size, span = low.memory(expr), size_in_memory(expr), expr.span
    return lambda pointer: copy(low, span, pointer, source, size)


def _record(low: Expressions, expr: typed.MakeRecord) -> Writer:
    kind = expr.type
    assert isinstance(kind, Record)
    parts = [(field, prepare_field(low, field, value)) for field, value in expr.items]
    size = sum(field.type.size for field, _ in parts)
    has_gaps = size != kind.size or any(field.bits for field in kind.fields)

    def write(pointer: Value) -> None:
        if has_gaps:
            fill(low, pointer, kind.size)  # padding too: the kernel compares keys byte by byte
        for field, part in parts:
            part(pointer if field.bits else member(low, pointer, field.type, field.offset))

    return write


def _array(low: Expressions, expr: MakeArray) -> Writer:
    kind = expr.type
    assert isinstance(kind, Array)
    items = [prepare(low, item) for item in expr.items]

    def write(pointer: Value) -> None:
        if len(items) < kind.length:
            fill(low, pointer, kind.size)
        for number, item in enumerate(items):
            item(member(low, pointer, kind.element, number * kind.element.size))

    return write


def _after(low: Expressions, expr: After) -> Writer:
    low.block(expr.first)
    return prepare(low, expr.value)


def _resized(low: Expressions, expr: ResizedText) -> Writer:
    if not is_widened(expr):
        return _copied(low, expr)
    write, size = prepare(low, expr.value), size_in_memory(expr)
    return lambda pointer: write_widened(low, write, size, pointer)


def _kernel_text(low: Expressions, expr: typed.KernelRead) -> Writer:
    assert isinstance(expr.type, Chars)
    base = kernel_base(low, expr.base)
    address, span, length = field_address(low, base, expr), expr.span, expr.type.length
    user = isinstance(base.type, Pointer) and base.type.space is Space.USER
    helper = "probe_read_user_str" if user else "probe_read_kernel_str"

    def write(pointer: Value) -> None:
        low.build.span = span
        fill(low, pointer, length)
        low.build.call(helper, (pointer, low.build.const(length, U32), address), I64)

    return write


def _the_same_later(low: Expressions, expr: typed.Expr) -> Writer:
    return lambda pointer: low.into(expr, pointer)


#: What is not simply copied. Memory that these read from later is none that programs write to.
PREPARERS: dict[type[typed.Expr], Preparer] = {
    typed.MakeRecord: _record,
    MakeArray: _array,
    After: _after,
    ResizedText: _resized,
    typed.KernelRead: _kernel_text,
    **KERNEL_READERS,
    **dict.fromkeys((typed.Comm, ContextText, typed.TextData, OctetsData), _the_same_later),
}
