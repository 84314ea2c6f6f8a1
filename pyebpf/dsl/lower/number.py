"""Numbers, truth values and pointers: one function per typed expression that makes one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_maps, typed_shared
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower import shared as lower_shared
from pyebpf.dsl.lower.kernel import KERNEL_NUMBERS, if_there, kernel_base
from pyebpf.dsl.lower.octets import OCTETS_NUMBERS
from pyebpf.dsl.lower.slices import SLICE_NUMBERS
from pyebpf.dsl.lower.symbols import SYMBOL_NUMBERS
from pyebpf.dsl.lower.text import TEXT_NUMBERS
from pyebpf.dsl.lower.timers import TIMER_NUMBERS
from pyebpf.dsl.typed_context import ContextBound, ContextField, ContextObject, PacketLength
from pyebpf.dsl.types import BOOL, Address, Bool, Chars, Int, KernelRef, Maybe, Pointer
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, CompareOp, Value
from pyebpf.ir.types import I64, U8, U32, U64

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.lower.expr import Expressions

_BELOW = (CompareOp.LT, CompareOp.LE, CompareOp.NE)
_ABOVE = (CompareOp.GT, CompareOp.GE, CompareOp.NE)


def _literal(low: Expressions, expr: typed.Literal) -> Value:
    assert isinstance(expr.type, (Int, Bool))
    return low.build.const(int(expr.value), expr.type)


def _read(low: Expressions, expr: typed.Read) -> Value:
    return low.build.read(low.cell(expr.variable).value)


def _bind(low: Expressions, expr: typed.Bind) -> Value:
    low.store(expr.variable, expr.value)
    return low.build.read(low.cell(expr.variable).value)


def _unwrap(low: Expressions, expr: typed.Unwrap) -> Value:
    return low.optional(expr.value).value


def _arith(low: Expressions, expr: typed.Arith) -> Value:
    left, right = low.number(expr.left), low.number(expr.right)
    known = expr.right.range
    assert known is not None
    low.build.span = expr.span
    zero = low.build.const(0, right.type)
    if expr.op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and known[0] <= 0 <= known[1]:
        low.abort_if(low.build.compare(CompareOp.EQ, right, zero))
    if expr.op in (BinaryOp.SHL, BinaryOp.SHR) and known[0] < 0:
        low.abort_if(low.build.compare(CompareOp.LT, right, zero))
    return low.build.binary(expr.op, left, right)


def _fitting(low: Expressions, expr: typed.Fitting) -> Value:
    value = low.number(expr.value)
    low.build.span = expr.span
    wide = low.build.convert(value, U64)
    if expr.most == U64.high:  # whatever is not negative
        low.abort_if(low.build.compare(CompareOp.LT, value, low.build.const(0, value.type)))
    else:
        low.abort_if(low.build.compare(CompareOp.GT, wide, low.build.const(expr.most, U64)))
    return wide


def _cmp(low: Expressions, expr: typed.Cmp) -> Value:
    left, right = low.number(expr.left), low.number(expr.right)
    low.build.span = expr.span
    if expr.common is not None:
        return low.build.compare(expr.op, left, right)
    return _compare_mixed(low, expr, left, right)


def _compare_mixed(low: Expressions, expr: typed.Cmp, left: Value, right: Value) -> Value:
    # One side is too large for i64, the other may be negative: a negative number decides alone.
    build = low.build
    signed_left = bool(getattr(left.type, "signed", False))
    signed = left if signed_left else right
    negative = build.compare(CompareOp.LT, signed, build.const(0, signed.type))
    wide = build.compare(expr.op, build.convert(left, U64), build.convert(right, U64))
    true_for = _BELOW if signed_left else _ABOVE
    decided = build.const(int(expr.op in true_for), BOOL)
    return build.add(nodes.Select(BOOL, build.span, negative, decided, wide))


def _same(low: Expressions, expr: typed.Same) -> Value:
    left = low.build.convert(low.number(expr.left), U64)
    right = low.build.convert(low.number(expr.right), U64)
    return low.build.compare(expr.op, left, right)


def _by_branches(low: Expressions, expr: typed.Expr) -> Value:
    slot = low.build.slot("truth", BOOL)
    then, other = low.build.new_block("true"), low.build.new_block("false")
    end = low.build.new_block("end")
    low.condition(expr, then, other)
    for start, value in ((then, 1), (other, 0)):
        low.build.start(start)
        low.build.write(slot, low.build.const(value, BOOL))
        low.build.jump(end)
    low.build.start(end)
    return low.build.read(slot)


def _negation(low: Expressions, expr: typed.Negation) -> Value:
    return low.build.add(nodes.Not(BOOL, low.build.span, low.number(expr.value)))


def _truth(low: Expressions, expr: typed.Truth) -> Value:
    inner = expr.value
    if isinstance(inner.type, Maybe):
        pair = low.optional(inner)
        if isinstance(inner.type.inner, Pointer):
            return pair.flag
        there = _nonzero(low, pair.value)
        no = low.build.const(0, BOOL)
        return low.build.add(nodes.Select(BOOL, expr.span, pair.flag, there, no))
    if isinstance(inner.type, Chars):
        first = low.build.load(low.memory(inner), U8)
        return _nonzero(low, first)
    return _nonzero(low, low.number(inner))


def _nonzero(low: Expressions, value: Value) -> Value:
    if value.type == BOOL:
        return value
    return low.build.compare(CompareOp.NE, value, low.build.const(0, value.type))


def _is_none(low: Expressions, expr: typed.IsNone) -> Value:
    if isinstance(expr.value.type, Maybe):
        flag = low.optional(expr.value).flag
        return low.build.add(nodes.Not(BOOL, low.build.span, flag))
    value = low.number(expr.value)
    return low.build.compare(CompareOp.EQ, value, low.build.const(0, value.type))


def _choice(low: Expressions, expr: typed.Choice) -> Value:
    return low.build.read(low.cell(choose(low, expr)).value)


def choose(low: Expressions, expr: typed.Choice) -> typed.Variable:
    chosen = typed.Variable("choice", expr.type)
    low.cell(chosen)
    then, other = low.build.new_block("then"), low.build.new_block("else")
    end = low.build.new_block("end")
    low.condition(expr.condition, then, other)
    for start, value in ((then, expr.then), (other, expr.other)):
        low.build.start(start)
        low.store(chosen, value)
        low.build.jump(end)
    low.build.start(end)
    return chosen


def _record_field(low: Expressions, expr: typed.RecordField) -> Value:
    assert isinstance(expr.type, (Int, Bool, Address))
    value = low.build.load(low.member(expr.base, expr.field), expr.type)
    return low.build.swap(value) if expr.field.big else value


def _swapped(low: Expressions, expr: typed.Swapped) -> Value:
    return low.build.swap(low.number(expr.value))


def _cast(low: Expressions, expr: typed.Cast) -> Value:
    value = low.number(expr.value)
    low.build.span = expr.span
    assert isinstance(expr.type, (Int, Bool, Address, Pointer)), expr.type
    return low.build.convert(value, expr.type)


def _helper(low: Expressions, expr: typed.Helper) -> Value:
    value = low.build.call(expr.helper, ())
    if expr.shift:
        value = low.build.binary(BinaryOp.SHR, value, low.build.const(expr.shift, U64))
    assert isinstance(expr.type, Int)
    return low.build.convert(value, expr.type)


def _current_task(low: Expressions, expr: typed.CurrentTask) -> Value:
    assert isinstance(expr.type, Pointer)
    return low.build.call(expr.helper, (), expr.type)


def _context_object(low: Expressions, expr: ContextObject) -> Value:
    assert isinstance(expr.type, Pointer)
    return low.build.add(nodes.Member(expr.type, expr.span, low.context, 0))


def _context_field(low: Expressions, expr: ContextField) -> Value:
    assert isinstance(expr.type, (Int, Bool, Pointer))
    load = nodes.CtxLoad(expr.type, expr.span, low.context, expr.offset, expr.width)
    return low.build.add(load)


def _context_bound(low: Expressions, expr: ContextBound) -> Value:
    assert isinstance(expr.type, Pointer)
    load = nodes.CtxLoad(expr.type, expr.span, low.context, expr.offset, expr.width)
    return low.build.add(load)


def _packet_length(low: Expressions, expr: PacketLength) -> Value:
    begin = low.build.convert(low.number(expr.begin), U64)
    end = low.build.convert(low.number(expr.end), U64)
    length = low.build.binary(BinaryOp.SUB, end, begin)
    # Of `n + (end - begin)` LLVM makes `(n + end) - begin`, which the verifier refuses.
    return low.build.add(nodes.Opaque(U64, expr.span, length))


def _kernel_read(low: Expressions, expr: typed.KernelRead) -> Value:
    if expr.after_test is not None:
        return if_there(low, expr.after_test, partial(_read_from, low, expr))
    return _read_from(low, expr, kernel_base(low, expr.base))


def _read_from(low: Expressions, expr: typed.KernelRead, base: Value) -> Value:
    low.build.span = expr.span
    assert isinstance(expr.type, (Int, Bool, Pointer))
    if expr.bits:
        return low.build.add(nodes.BitfieldRead(expr.type, expr.span, base, expr.path))
    address = field_address(low, base, expr)
    return low.build.add(nodes.KernelLoad(expr.type, expr.span, address))


def field_address(low: Expressions, base: Value, expr: typed.KernelRead) -> Value:
    assert isinstance(base.type, Pointer)
    leaf = expr.path.steps[-1].type
    kind = Pointer(base.type.space, KernelRef(leaf.id, leaf.name))
    return low.build.add(nodes.FieldAddr(kind, expr.span, base, expr.path))


def _core(low: Expressions, expr: typed.CoreQuestion) -> Value:
    kind = expr.type if isinstance(expr.type, Int) else U32
    value = low.build.add(nodes.CoreValue(kind, expr.span, expr.kind, expr.path))
    return _nonzero(low, value) if expr.type == BOOL else value


def _entry_key(low: Expressions, expr: typed.EntryKey) -> Value:
    return _of_entry(low, expr, low.entries[expr.turn][0])


def _entry_value(low: Expressions, expr: typed.EntryValue) -> Value:
    return _of_entry(low, expr, low.entries[expr.turn][1])


def _of_entry(low: Expressions, expr: typed.Expr, pointer: Value) -> Value:
    if isinstance(expr.type, Pointer):
        return pointer
    assert isinstance(expr.type, (Int, Bool, Address))
    return low.build.load(pointer, expr.type)


def _inlined(low: Expressions, expr: typed.Inlined) -> Value:
    low.inlined(expr.body)
    assert expr.result is not None
    return low.build.read(low.cell(expr.result).value)


def _call_subprogram(low: Expressions, expr: typed.CallSubprogram) -> Value:
    return low.call_subprogram(expr)


def _contains(low: Expressions, expr: typed.MapContains) -> Value:
    pointer = lower_map.find(low, expr.map, lower_map.key_in(low, expr.map.spec, expr.key))
    return low.build.compare(CompareOp.NE, pointer, low.build.const(0, pointer.type))


def _read_text(low: Expressions, expr: typed.ReadText) -> Value:
    address = low.number(expr.address)
    place = low.member(expr.field.base, expr.field.field)
    build = low.build
    build.span = expr.span
    size = build.const(expr.field.type.size, U32)  # type: ignore[union-attr]
    length = build.call(expr.helper, (place, size, address), I64)
    if expr.helper != "probe_read_user_str":
        return length
    return _with_nul(low, length)


def _with_nul(low: Expressions, length: Value) -> Value:
    """Return the length of a text, or 1 instead of 0.

    Of an empty text, older kernels say 0, as if it had no NUL: Linux 6.1 does, 6.18 does not.
    """
    build, one = low.build, low.build.const(1, U64)
    # The sign of ~x & (x - 1) is set for 0 alone. A branch, which LLVM would make of it if it saw
    # what it is, makes two ways of each read, which the verifier follows apart.
    number = build.convert(length, U64)
    inverse = build.binary(BinaryOp.XOR, number, build.const((1 << 64) - 1, U64))
    both = build.binary(BinaryOp.AND, inverse, build.binary(BinaryOp.SUB, number, one))
    both = build.add(nodes.Opaque(U64, build.span, both))
    is_empty = build.binary(BinaryOp.SHR, both, build.const(63, U64))
    return build.convert(build.binary(BinaryOp.ADD, number, is_empty), I64)


NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    typed.Literal: _literal,
    typed.Read: _read,
    typed.Bind: _bind,
    typed.Unwrap: _unwrap,
    typed.Arith: _arith,
    typed.Cmp: _cmp,
    typed.Same: _same,
    typed.Logic: _by_branches,
    typed.Negation: _negation,
    typed.Truth: _truth,
    typed.IsNone: _is_none,
    typed.Choice: _choice,
    typed.RecordField: _record_field,
    typed.Cast: _cast,
    typed.Swapped: _swapped,
    typed.Fitting: _fitting,
    typed.Helper: _helper,
    typed.CurrentTask: _current_task,
    ContextObject: _context_object,
    ContextField: _context_field,
    ContextBound: _context_bound,
    PacketLength: _packet_length,
    typed.KernelRead: _kernel_read,
    typed.CoreQuestion: _core,
    typed.EntryKey: _entry_key,
    typed.EntryValue: _entry_value,
    typed.Inlined: _inlined,
    typed.CallSubprogram: _call_subprogram,
    typed.ReadText: _read_text,
    typed.MapContains: _contains,
    typed.MapSetdefault: lower_map.setdefault,
    typed_maps.Index: lower_map.index,
    typed_maps.Element: lower_map.element,
    typed_maps.GetOr: lower_map.get_or,
    typed_maps.StackId: lower_map.stack_id,
    typed_shared.GlobalValue: lower_shared.global_value,
    typed_shared.FetchChange: lower_shared.fetch_change,
    typed_shared.CompareExchange: lower_shared.compare_exchange,
    **KERNEL_NUMBERS,
    **SYMBOL_NUMBERS,
    **OCTETS_NUMBERS,
    **TEXT_NUMBERS,
    **TIMER_NUMBERS,
    **SLICE_NUMBERS,
}
