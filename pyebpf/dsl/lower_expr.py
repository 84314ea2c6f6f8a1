"""From typed expressions to IR values.

A number or a pointer becomes an IR value; text and records become memory, handled by address; something
that may be None becomes a pair of a flag and a value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyebpf.dsl import lower_map, typed
from pyebpf.dsl.lower_map import Optional
from pyebpf.dsl.lower_memory import WRITERS, is_reference, size_in_memory
from pyebpf.dsl.types import (
    BOOL,
    Address,
    Bool,
    Chars,
    Int,
    KernelRef,
    Maybe,
    NoneType,
    Pointer,
    Record,
    Space,
    in_memory,
)
from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, Block, CompareOp, Const, Slot, Value
from pyebpf.ir.types import I32, I64, U8, U32, U64, VOID
from pyebpf.spec.types import Field

if TYPE_CHECKING:
    from pyebpf.dsl.unit import UnitState
    from pyebpf.ir.build import Builder


@dataclass
class _Cell:
    """Where a variable lives."""

    value: Slot
    flag: Slot | None = None


class Expressions:
    """Lowers expressions into the current block of a builder."""

    def __init__(self, build: Builder, context: Value, unit: UnitState) -> None:
        self.build = build
        self.context = context
        self.unit = unit
        self._cells: dict[typed.Variable, _Cell] = {}

    # -- variables

    def _cell(self, variable: typed.Variable) -> _Cell:
        if variable not in self._cells:
            kind = variable.type
            name = variable.name or "temporary"
            if isinstance(kind, Maybe):
                cell = _Cell(self.build.slot(name, kind.inner), self.build.slot(f"{name}?", BOOL))
            else:
                assert isinstance(kind, (Int, Bool, Address, Pointer, Chars, Record)), kind
                cell = _Cell(self.build.slot(name, kind))
            self._cells[variable] = cell
        return self._cells[variable]

    def store(self, variable: typed.Variable, value: typed.Expr) -> None:
        """Assign to a variable."""
        cell = self._cell(variable)
        if cell.flag is not None:
            pair = self.optional(value)
            self.build.write(cell.value, pair.value)
            self.build.write(cell.flag, pair.flag)
        elif in_memory(value.type):
            self.into(value, self.build.addr(cell.value))
        else:
            self.build.write(cell.value, self.number(value))

    def write_range(self, variable: typed.Variable, turn: Value, values: range) -> None:
        """Assign the value that a loop over ``values`` has at a turn."""
        cell = self._cell(variable)
        assert isinstance(cell.value.type, Int)
        step = self.build.binary(BinaryOp.MUL, turn, Const(I64, self.build.span, values.step))
        value = self.build.binary(BinaryOp.ADD, step, Const(I64, self.build.span, values.start))
        self.build.write(cell.value, self.build.convert(value, cell.value.type))

    def advance(self, counter: Slot) -> None:
        """Add 1 to a counter."""
        one = self.build.const(1, counter.type)
        self.build.write(counter, self.build.binary(BinaryOp.ADD, self.build.read(counter), one))

    # -- the three forms of a value

    def discard(self, expr: typed.Expr) -> None:
        """Evaluate for the effect only."""
        if isinstance(expr, typed.Effect):
            self.block([expr.stmt])
        elif isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
        elif isinstance(expr.type, Maybe):
            self.optional(expr)
        elif in_memory(expr.type):
            self.memory(expr)
        elif not isinstance(expr, typed.Object):
            self.number(expr)

    def number(self, expr: typed.Expr) -> Value:
        """Return the value of a number, truth value, address or pointer."""
        rule = _NUMBERS.get(type(expr))
        if rule is None:
            base = next((t for t in type(expr).__mro__ if t in _NUMBERS), None)
            if base is None:
                msg = f"no number: {type(expr).__name__} of type {expr.type} at {expr.span}"
                raise InternalError(msg)
            rule = _NUMBERS[base]
        self.build.span = expr.span
        return rule(self, expr)

    def optional(self, expr: typed.Expr) -> Optional:
        """Return flag and value of something that may be None."""
        if isinstance(expr, typed.MapGet):
            return lower_map.lookup(self, expr)
        if isinstance(expr, typed.MapSetdefault):
            return lower_map.setdefault(self, expr)
        if isinstance(expr, (typed.Read, typed.Bind)):
            if isinstance(expr, typed.Bind):
                self.store(expr.variable, expr.value)
            return self._read_optional(expr.variable)
        if isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
            assert expr.result is not None
            return self._read_optional(expr.result)
        if isinstance(expr, typed.Choice):
            return self._read_optional(self._choose(expr))
        assert isinstance(expr, typed.Cast), expr
        return self._cast_optional(expr)

    def _cast_optional(self, expr: typed.Cast) -> Optional:
        kind = expr.type
        assert isinstance(kind, Maybe)
        source = expr.value.type
        if isinstance(source, NoneType):
            return Optional(self.build.const(0, BOOL), self.build.const(0, kind.inner))
        if isinstance(source, Maybe):
            pair = self.optional(expr.value)
            return Optional(pair.flag, self.build.convert(pair.value, kind.inner))
        value = self.build.convert(self.number(expr.value), kind.inner)
        return Optional(self.build.const(1, BOOL), value)

    def _read_optional(self, variable: typed.Variable) -> Optional:
        cell = self._cell(variable)
        assert cell.flag is not None
        return Optional(self.build.read(cell.flag), self.build.read(cell.value))

    def memory(self, expr: typed.Expr) -> Value:
        """Return a pointer to text or a record; what it points to must not be changed."""
        self.build.span = expr.span
        if isinstance(expr, (typed.Read, typed.Bind)):
            if isinstance(expr, typed.Bind):
                self.store(expr.variable, expr.value)
            return self.build.addr(self._cell(expr.variable).value)
        if isinstance(expr, typed.RecordField):
            return self.member(expr.base, expr.field)
        if isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
            assert expr.result is not None
            return self.build.addr(self._cell(expr.result).value)
        if isinstance(expr.type, Pointer):
            return self.number(expr)
        assert isinstance(expr.type, (Chars, Record)), expr.type
        slot = self.build.slot("buffer", expr.type)
        pointer = self.build.addr(slot)
        self.into(expr, pointer)
        return pointer

    def into(self, expr: typed.Expr, pointer: Value) -> None:
        """Write a value to memory."""
        if not in_memory(expr.type) and not is_reference(expr):
            self.build.store(pointer, self.number(expr))
            return
        rule = WRITERS.get(type(expr))
        if rule is not None:
            rule(self, expr, pointer)
            return
        source, size = self.memory(expr), size_in_memory(expr)
        self.build.add(nodes.Copy(VOID, self.build.span, pointer, source, size))

    def in_slot(self, expr: typed.Expr, name: str) -> Value:
        """Return the address of a stack copy of a value, as helpers take keys and values."""
        kind = expr.type
        if isinstance(kind, Pointer):
            kind = kind.to if isinstance(kind.to, Record) else Address()
        assert isinstance(kind, (Int, Bool, Address, Chars, Record)), kind
        pointer = self.build.addr(self.build.slot(name, kind))
        self.into(expr, pointer)
        return pointer

    def member(self, base: typed.Expr, field: Field) -> Value:
        """Return a pointer to a member of a record."""
        start = self.memory(base)
        assert isinstance(start.type, Pointer)
        kind = Pointer(start.type.space, field.type)
        return self.build.add(nodes.Member(kind, self.build.span, start, field.offset))

    # -- conditions

    def condition(self, expr: typed.Expr, then: Block, other: Block) -> None:
        """End the block with a branch on a truth value, evaluating no more than Python would."""
        if isinstance(expr, typed.Logic):
            middle = self.build.new_block("and" if expr.is_and else "or")
            first = (middle, other) if expr.is_and else (then, middle)
            self.condition(expr.left, *first)
            self.build.start(middle)
            self.condition(expr.right, then, other)
        elif isinstance(expr, typed.Negation):
            self.condition(expr.value, other, then)
        else:
            self.build.branch(self.number(expr), then, other)

    def abort_if(self, condition: Value) -> None:
        """End the program where Python would raise an exception that nobody catches."""
        stop, go = self.build.new_block("abort"), self.build.new_block("go")
        self.build.branch(condition, stop, go)
        self.build.start(stop)
        self.build.ret(self.build.const(0, I32))
        self.build.start(go)

    # -- numbers

    def _literal(self, expr: typed.Literal) -> Value:
        assert isinstance(expr.type, (Int, Bool))
        return self.build.const(int(expr.value), expr.type)

    def _read(self, expr: typed.Read) -> Value:
        return self.build.read(self._cell(expr.variable).value)

    def _bind(self, expr: typed.Bind) -> Value:
        self.store(expr.variable, expr.value)
        return self.build.read(self._cell(expr.variable).value)

    def _unwrap(self, expr: typed.Unwrap) -> Value:
        return self.optional(expr.value).value

    def _arith(self, expr: typed.Arith) -> Value:
        left, right = self.number(expr.left), self.number(expr.right)
        known = expr.right.range
        assert known is not None
        self.build.span = expr.span
        zero = self.build.const(0, right.type)
        if expr.op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and known[0] <= 0 <= known[1]:
            self.abort_if(self.build.compare(CompareOp.EQ, right, zero))
        if expr.op in (BinaryOp.SHL, BinaryOp.SHR) and known[0] < 0:
            self.abort_if(self.build.compare(CompareOp.LT, right, zero))
        return self.build.binary(expr.op, left, right)

    def _cmp(self, expr: typed.Cmp) -> Value:
        left, right = self.number(expr.left), self.number(expr.right)
        self.build.span = expr.span
        if expr.common is not None:
            return self.build.compare(expr.op, left, right)
        return self._compare_mixed(expr, left, right)

    def _compare_mixed(self, expr: typed.Cmp, left: Value, right: Value) -> Value:
        # One side is too large for i64, the other may be negative: a negative number decides alone.
        build = self.build
        signed_left = bool(getattr(left.type, "signed", False))
        signed = left if signed_left else right
        negative = build.compare(CompareOp.LT, signed, build.const(0, signed.type))
        wide = build.compare(expr.op, build.convert(left, U64), build.convert(right, U64))
        true_for = _BELOW if signed_left else _ABOVE
        decided = build.const(int(expr.op in true_for), BOOL)
        return build.add(nodes.Select(BOOL, build.span, negative, decided, wide))

    def _same(self, expr: typed.Same) -> Value:
        left = self.build.convert(self.number(expr.left), U64)
        right = self.build.convert(self.number(expr.right), U64)
        return self.build.compare(expr.op, left, right)

    def _by_branches(self, expr: typed.Expr) -> Value:
        slot = self.build.slot("truth", BOOL)
        then, other = self.build.new_block("true"), self.build.new_block("false")
        end = self.build.new_block("end")
        self.condition(expr, then, other)
        for start, value in ((then, 1), (other, 0)):
            self.build.start(start)
            self.build.write(slot, self.build.const(value, BOOL))
            self.build.jump(end)
        self.build.start(end)
        return self.build.read(slot)

    def _negation(self, expr: typed.Negation) -> Value:
        return self.build.add(nodes.Not(BOOL, self.build.span, self.number(expr.value)))

    def _truth(self, expr: typed.Truth) -> Value:
        inner = expr.value
        if isinstance(inner.type, Maybe):
            pair = self.optional(inner)
            if isinstance(inner.type.inner, Pointer):
                return pair.flag
            there = self._nonzero(pair.value)
            no = self.build.const(0, BOOL)
            return self.build.add(nodes.Select(BOOL, expr.span, pair.flag, there, no))
        if isinstance(inner.type, Chars):
            first = self.build.load(self.memory(inner), U8)
            return self._nonzero(first)
        return self._nonzero(self.number(inner))

    def _nonzero(self, value: Value) -> Value:
        if value.type == BOOL:
            return value
        return self.build.compare(CompareOp.NE, value, self.build.const(0, value.type))

    def _is_none(self, expr: typed.IsNone) -> Value:
        if isinstance(expr.value.type, Maybe):
            flag = self.optional(expr.value).flag
            return self.build.add(nodes.Not(BOOL, self.build.span, flag))
        value = self.number(expr.value)
        return self.build.compare(CompareOp.EQ, value, self.build.const(0, value.type))

    def _choice(self, expr: typed.Choice) -> Value:
        return self.build.read(self._cell(self._choose(expr)).value)

    def _choose(self, expr: typed.Choice) -> typed.Variable:
        chosen = typed.Variable("choice", expr.type)
        self._cell(chosen)
        then, other = self.build.new_block("then"), self.build.new_block("else")
        end = self.build.new_block("end")
        self.condition(expr.condition, then, other)
        for start, value in ((then, expr.then), (other, expr.other)):
            self.build.start(start)
            self.store(chosen, value)
            self.build.jump(end)
        self.build.start(end)
        return chosen

    def _record_field(self, expr: typed.RecordField) -> Value:
        assert isinstance(expr.type, (Int, Bool, Address))
        return self.build.load(self.member(expr.base, expr.field), expr.type)

    def _cast(self, expr: typed.Cast) -> Value:
        value = self.number(expr.value)
        self.build.span = expr.span
        assert isinstance(expr.type, (Int, Bool, Address, Pointer)), expr.type
        return self.build.convert(value, expr.type)

    def _helper(self, expr: typed.Helper) -> Value:
        value = self.build.call(expr.helper, ())
        if expr.shift:
            value = self.build.binary(BinaryOp.SHR, value, self.build.const(expr.shift, U64))
        assert isinstance(expr.type, Int)
        return self.build.convert(value, expr.type)

    def _current_task(self, expr: typed.CurrentTask) -> Value:
        assert isinstance(expr.type, Pointer)
        return self.build.call(expr.helper, (), expr.type)

    def _context_field(self, expr: typed.ContextField) -> Value:
        assert isinstance(expr.type, (Int, Bool, Pointer))
        load = nodes.CtxLoad(expr.type, expr.span, self.context, expr.offset, expr.width)
        return self.build.add(load)

    def _kernel_read(self, expr: typed.KernelRead) -> Value:
        base = self.number(expr.base)
        self.build.span = expr.span
        assert isinstance(expr.type, (Int, Bool, Pointer))
        if expr.bits:
            return self.build.add(nodes.BitfieldRead(expr.type, expr.span, base, expr.path))
        address = self.field_address(base, expr)
        return self.build.add(nodes.KernelLoad(expr.type, expr.span, address))

    def field_address(self, base: Value, expr: typed.KernelRead) -> Value:
        assert isinstance(base.type, Pointer)
        leaf = expr.path.steps[-1].type
        kind = Pointer(base.type.space, KernelRef(leaf.id, leaf.name))
        return self.build.add(nodes.FieldAddr(kind, expr.span, base, expr.path))

    def _core(self, expr: typed.CoreQuestion) -> Value:
        value = self.build.add(nodes.CoreValue(U32, expr.span, expr.kind, expr.path))
        return self._nonzero(value) if expr.type == BOOL else value

    def _inlined(self, expr: typed.Inlined) -> Value:
        self.inlined(expr.body)
        assert expr.result is not None
        return self.build.read(self._cell(expr.result).value)

    def _contains(self, expr: typed.MapContains) -> Value:
        pointer = lower_map.find(self, expr.map.spec, self.in_slot(expr.key, "key"))
        return self.build.compare(CompareOp.NE, pointer, self.build.const(0, pointer.type))

    def _map_number(self, expr: typed.Expr) -> Value:
        assert isinstance(expr, typed.MapSetdefault)
        return lower_map.setdefault(self, expr).value

    # -- what the statements around an expression provide

    def block(self, statements: list[typed.Stmt]) -> None:
        raise NotImplementedError

    def inlined(self, body: list[typed.Stmt]) -> None:
        raise NotImplementedError


_NUMBERS: dict[type[typed.Expr], Callable[[Expressions, Any], Value]] = {
    typed.Literal: Expressions._literal,
    typed.Read: Expressions._read,
    typed.Bind: Expressions._bind,
    typed.Unwrap: Expressions._unwrap,
    typed.Arith: Expressions._arith,
    typed.Cmp: Expressions._cmp,
    typed.Same: Expressions._same,
    typed.Logic: Expressions._by_branches,
    typed.Negation: Expressions._negation,
    typed.Truth: Expressions._truth,
    typed.IsNone: Expressions._is_none,
    typed.Choice: Expressions._choice,
    typed.RecordField: Expressions._record_field,
    typed.Cast: Expressions._cast,
    typed.Helper: Expressions._helper,
    typed.CurrentTask: Expressions._current_task,
    typed.ContextField: Expressions._context_field,
    typed.KernelRead: Expressions._kernel_read,
    typed.CoreQuestion: Expressions._core,
    typed.Inlined: Expressions._inlined,
    typed.MapContains: Expressions._contains,
    typed.MapSetdefault: Expressions._map_number,
}

_BELOW = (CompareOp.LT, CompareOp.LE, CompareOp.NE)
_ABOVE = (CompareOp.GT, CompareOp.GE, CompareOp.NE)
