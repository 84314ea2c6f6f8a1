"""Writing text and records to new memory, part by part: one writer per typed expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed
from pyebpf.dsl.lower.kernel import (
    KERNEL_WRITERS,
)
from pyebpf.dsl.lower.octets import OCTETS_WRITERS
from pyebpf.dsl.lower.slices import SLICE_WRITERS
from pyebpf.dsl.typed_context import ContextText
from pyebpf.dsl.types import Array, Chars, Int, Pointer, Record
from pyebpf.ir import nodes
from pyebpf.ir.align import alignment_at, widest_step
from pyebpf.ir.nodes import Value
from pyebpf.ir.types import I64, U32, VOID

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.diag import Span
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


def copy(low: Expressions, span: Span, pointer: Value, source: Value, size: int) -> None:
    """Copy ``size`` bytes."""
    low.build.add(nodes.Copy(VOID, span, pointer, source, size))


def _comm(low: Expressions, expr: typed.Comm, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    # The kernels from 5.19 to 6.1 leave what is behind the name as it is, also in a key. Version 4
    # of the instructions came with 6.6.
    if not low.unit.target.has("cpu_v4"):
        fill(low, pointer, expr.type.length)
    size = low.build.const(expr.type.length, U32)
    low.build.call("get_current_comm", (pointer, size), I64)


def _context_text(low: Expressions, expr: ContextText, pointer: Value) -> None:
    assert isinstance(expr.type, Chars)
    done = 0
    while done < expr.type.length:
        width = widest_step(
            expr.type.length - done, expr.offset + done, alignment_at(pointer, done)
        )
        kind = Int(width * 8)
        load = nodes.CtxLoad(kind, expr.span, low.context, expr.offset + done, width)
        low.build.store(member(low, pointer, kind, done), low.build.add(load))
        done += width


def _entry_text(low: Expressions, expr: typed.EntryText, pointer: Value) -> None:
    assert isinstance(expr.type, (Chars, Array))
    copy(low, expr.span, pointer, low.entries[expr.turn][0], expr.type.size)


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
        width = widest_step(len(data) - done, alignment_at(pointer, done))
        kind = Int(width * 8)
        value = low.build.const(int.from_bytes(data[done : done + width], "little"), kind)
        low.build.store(member(low, pointer, kind, done), value)
        done += width


WRITERS: dict[type[typed.Expr], Callable[[Expressions, Any, Value], None]] = {
    typed.Comm: _comm,
    ContextText: _context_text,
    typed.EntryText: _entry_text,
    typed.TextData: _text,
    **KERNEL_WRITERS,
    **OCTETS_WRITERS,
    **SLICE_WRITERS,
}
