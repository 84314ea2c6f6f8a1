"""From typed expressions to IR values.

A number or a pointer becomes an IR value; text and records become memory, handled by address;
something that may be None becomes a pair of a flag and a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.dsl import typed, typed_maps, typed_shared
from pyebpf.dsl.lower import maps as lower_map
from pyebpf.dsl.lower import packet as lower_packet
from pyebpf.dsl.lower import places
from pyebpf.dsl.lower import shared as lower_shared
from pyebpf.dsl.lower.kernel import read_optional
from pyebpf.dsl.lower.maps import Optional
from pyebpf.dsl.lower.memory import WRITERS, is_reference
from pyebpf.dsl.lower.number import NUMBERS, choose
from pyebpf.dsl.lower.places import PLACE_NUMBERS
from pyebpf.dsl.lower.prepare import mentions, prepare, prepare_apart
from pyebpf.dsl.lower.symbols import SYMBOL_OPTIONALS
from pyebpf.dsl.typed_context import ContextField, PacketAt, PacketCopy
from pyebpf.dsl.typed_kernel import After, HelperCall, KfuncCall, MemoryRead
from pyebpf.dsl.typed_places import ElementOf, View
from pyebpf.dsl.types import (
    BOOL,
    NONE,
    Address,
    Array,
    Bool,
    Chars,
    Int,
    Maybe,
    NoneType,
    Pointer,
    Record,
    in_memory,
    is_entry,
)
from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.nodes import BinaryOp, Block, CompareOp, Slot, Value
from pyebpf.ir.types import U64, VOID, Type
from pyebpf.plain import Plain
from pyebpf.spec.types import Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.typed_timers import Callback
    from pyebpf.dsl.unit import UnitState
    from pyebpf.ir.build import Builder


class _Cell(Plain):
    """Where a variable lives."""

    value: Slot
    flag: Slot | None = None


class Expressions:
    """Lowers expressions into the current block of a builder."""

    def __init__(self, build: Builder, context: Value, unit: UnitState) -> None:
        self.build = build
        self.context = context
        self.unit = unit
        #: The section of the program that this is a part of.
        self.section = ""
        #: What the program gives when it ends early.
        self.ended = 0
        #: Records that are reserved here, the innermost last.
        self.held: list[Value] = []
        #: What sends a record that is built outside of its buffer.
        self.senders: dict[Value, Callable[[], None]] = {}
        #: Whether a record is given up when its block is left, by the record and by its name.
        self.given_up: dict[Value, Slot] = {}
        self.given_up_by: dict[typed.Variable, Slot] = {}
        #: Those of them that are locks.
        self.locks: set[Value] = set()
        self._free: dict[Type, list[Slot]] = {}
        self._taken: list[Slot] = []
        self._cells: dict[typed.Variable, _Cell] = {}
        #: The entries of maps that loops around this place are at: pointers to key and value.
        self.entries: dict[typed.Turn, tuple[Value, Value]] = {}

    # -- variables

    def scratch(self, name: str, kind: Type) -> Slot:
        """Return a buffer for the statement being lowered; later statements use it again.

        The stack has 512 bytes, and every key and value that a helper takes is on it.
        """
        free = self._free.get(kind)
        slot = free.pop() if free else self.build.slot(name, kind)
        self._taken.append(slot)
        return slot

    def scratch_mark(self) -> int:
        """Return how many buffers are in use."""
        return len(self._taken)

    def scratch_free(self, mark: int) -> None:
        """Let the buffers be used again that were taken since a mark."""
        for slot in self._taken[mark:]:
            self._free.setdefault(slot.type, []).append(slot)
        del self._taken[mark:]

    def cell(self, variable: typed.Variable) -> _Cell:
        if variable not in self._cells:
            kind = variable.type
            name = variable.name or "temporary"
            if isinstance(kind, Maybe):
                cell = _Cell(self.build.slot(name, kind.inner), self.build.slot(f"{name}?", BOOL))
            else:
                assert isinstance(kind, (Int, Bool, Address, Pointer, Chars, Record, Array)), kind
                cell = _Cell(self.build.slot(name, kind))
            self._cells[variable] = cell
        return self._cells[variable]

    def store(self, variable: typed.Variable, value: typed.Expr) -> None:
        """Assign to a variable."""
        if isinstance(variable.type, NoneType):  # it is None all the time
            self.discard(value)
            return
        cell = self.cell(variable)
        if cell.flag is not None:
            pair = self.optional(value)
            assert isinstance(variable.type, Maybe)
            if in_memory(variable.type.inner):
                place, size = self.build.addr(cell.value), variable.type.inner.size
                self.build.add(nodes.Copy(VOID, self.build.span, place, pair.value, size))
            else:
                self.build.write(cell.value, pair.value)
            if not is_entry(variable.type.inner):  # there the address says it
                self.build.write(cell.flag, pair.flag)
        elif in_memory(value.type):
            place = self.build.addr(cell.value)
            if mentions(value, variable):
                prepare_apart(self, value)(place)
            else:
                self.into(value, place)
        else:
            self.build.write(cell.value, self.number(value))

    def take(self, variable: typed.Variable, value: Value) -> None:
        """Assign a value that is computed already."""
        self.build.write(self.cell(variable).value, value)

    def advance(self, counter: Slot) -> None:
        """Add 1 to a counter."""
        one = self.build.const(1, counter.type)
        self.build.write(counter, self.build.binary(BinaryOp.ADD, self.build.read(counter), one))

    # -- the three forms of a value

    def discard(self, expr: typed.Expr) -> None:
        """Evaluate for the effect only."""
        if isinstance(expr, typed.Effect):
            self.block([expr.stmt])
        elif isinstance(expr, (KfuncCall, HelperCall)) and expr.type == NONE:
            self.number(expr)
        elif isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
        elif isinstance(expr, typed.Bind):
            self.store(expr.variable, expr.value)
        elif isinstance(expr, typed.CallSubprogram):
            self.call_subprogram(expr)
        elif isinstance(expr, typed.Pack):
            for item in expr.items:
                self.discard(item)
        elif isinstance(expr.type, Maybe):
            self.optional(expr)
        elif in_memory(expr.type):
            self.memory(expr)
        elif not isinstance(expr, (typed.Object, typed.Text)) and expr.type != NONE:
            self.number(expr)

    def number(self, expr: typed.Expr) -> Value:
        """Return the value of a number, truth value, address or pointer."""
        rule = NUMBERS.get(type(expr)) or PLACE_NUMBERS.get(type(expr))
        if rule is None:
            base = next((t for t in type(expr).__mro__ if t in NUMBERS), None)
            if base is None:
                msg = f"no number: {type(expr).__name__} of type {expr.type} at {expr.span}"
                raise InternalError(msg)
            rule = NUMBERS[base]
        self.build.span = expr.span
        return rule(self, expr)

    def optional(self, expr: typed.Expr) -> Optional:
        """Return flag and value of something that may be None."""
        rule = _OPTIONALS.get(type(expr))
        if rule is not None:
            return rule(self, expr)
        if isinstance(expr, (typed.Read, typed.Bind)):
            if isinstance(expr, typed.Bind):
                self.store(expr.variable, expr.value)
            return self._read_optional(expr.variable)
        if isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
            assert expr.result is not None
            return self._read_optional(expr.result)
        if isinstance(expr, typed.Choice):
            return self._read_optional(choose(self, expr))
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
        cell = self.cell(variable)
        assert cell.flag is not None
        assert isinstance(variable.type, Maybe)
        if in_memory(variable.type.inner):
            return Optional(self.build.read(cell.flag), self.build.addr(cell.value))
        value = self.build.read(cell.value)
        if not is_entry(value.type):
            return Optional(self.build.read(cell.flag), value)
        # In a loop the verifier forgets that a flag and a pointer belong together.
        there = self.build.compare(CompareOp.NE, value, self.build.const(0, value.type))
        return Optional(there, value)

    def memory(  # noqa: PLR0911 - one return for each kind of place
        self, expr: typed.Expr
    ) -> Value:
        """Return a pointer to text or a record; what it points to must not be changed."""
        self.build.span = expr.span
        if isinstance(expr.type, Pointer):
            return self.number(expr)
        if isinstance(expr, (typed.Read, typed.Bind)):
            if isinstance(expr, typed.Bind):
                self.store(expr.variable, expr.value)
            return self.build.addr(self.cell(expr.variable).value)
        if isinstance(expr, typed.Unwrap):
            return self.optional(expr.value).value
        if isinstance(expr, typed.RecordField):
            return self.member(expr.base, expr.field)
        if isinstance(expr, ElementOf):
            return places.address(self, expr)
        if isinstance(expr, View):
            return places.view_address(self, expr)
        if isinstance(expr, typed_shared.GlobalValue):
            return lower_shared.address(self, expr.variable)
        if isinstance(expr, typed.Inlined):
            self.inlined(expr.body)
            assert expr.result is not None
            return self.build.addr(self.cell(expr.result).value)
        if isinstance(expr, typed.Choice):
            return self.build.addr(self.cell(choose(self, expr)).value)
        assert isinstance(expr.type, (Chars, Record, Array)), expr.type
        slot = self.scratch("buffer", expr.type)
        pointer = self.build.addr(slot)
        self.into(expr, pointer)
        return pointer

    def into(self, expr: typed.Expr, pointer: Value) -> None:
        """Write a value to memory that is no part of it."""
        if not in_memory(expr.type) and not is_reference(expr):
            self.build.store(pointer, self.number(expr))
            return
        rule = WRITERS.get(type(expr))
        if rule is not None:
            rule(self, expr, pointer)
        else:
            prepare(self, expr)(pointer)

    def in_slot(self, expr: typed.Expr, name: str) -> Value:
        """Return the address of a stack copy of a value, as helpers take keys and values."""
        kind = expr.type
        if isinstance(kind, Pointer):
            kind = kind.to if isinstance(kind.to, Record) else Address()
        assert isinstance(kind, (Int, Bool, Address, Chars, Record, Array)), kind
        self.build.span = expr.span
        pointer = self.build.addr(self.scratch(name, kind))
        self.into(expr, pointer)
        return pointer

    def place(self, expr: typed.Expr) -> Value:
        """Return a pointer to a field or an element, to write to."""
        if isinstance(expr, typed.RecordField):
            return self.member(expr.base, expr.field)
        assert isinstance(expr, ElementOf), expr
        return places.address(self, expr)

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

    def release(self, keep: int, helper: str) -> None:
        """Give back records and locks but the first ``keep``; the kernel insists on it."""
        for pointer in reversed(self.held[keep:]):
            if pointer in self.locks:
                self.build.call("spin_unlock", (pointer,), VOID)
                continue
            if pointer in self.given_up:
                self._give_up_or(pointer, helper)
            else:
                self._finish(pointer, helper)

    def _finish(self, pointer: Value, helper: str) -> None:
        """Send or discard one record."""
        if pointer not in self.senders:
            self.build.call(helper, (pointer, self.build.const(0, U64)), VOID)
        elif helper == "ringbuf_submit":
            self.senders[pointer]()

    def _give_up_or(self, pointer: Value, helper: str) -> None:
        """Discard a record if the program asked for that, or do what is done with the others."""
        build = self.build
        discard, go_on = build.new_block("discard"), build.new_block("send")
        end = build.new_block("end")
        build.branch(build.read(self.given_up[pointer]), discard, go_on)
        for start, name in ((discard, "ringbuf_discard"), (go_on, helper)):
            build.start(start)
            self._finish(pointer, name)
            build.jump(end)
        build.start(end)

    def abort_if(self, condition: Value) -> None:
        """End the program where Python would raise an exception that nobody catches."""
        stop, go = self.build.new_block("abort"), self.build.new_block("go")
        self.build.branch(condition, stop, go)
        self.build.start(stop)
        self.abort()
        self.build.start(go)

    def abort(self) -> None:
        """End the program here."""
        self.release(0, "ringbuf_discard")
        self.build.ret(self.build.const(self.ended, self.build.function.result))

    # -- what the statements around an expression provide

    def block(self, statements: list[typed.Stmt]) -> None:
        raise NotImplementedError

    def inlined(self, body: list[typed.Stmt]) -> None:
        raise NotImplementedError

    def call_subprogram(self, expr: typed.CallSubprogram) -> Value:
        raise NotImplementedError

    def callback(self, made: Callback) -> str:
        raise NotImplementedError


def _after_optional(low: Expressions, expr: After) -> Optional:
    low.block(expr.first)
    return low.optional(expr.value)


_OPTIONALS: dict[type[typed.Expr], Callable[[Expressions, Any], Optional]] = {
    typed.MapGet: lower_map.lookup,
    typed_maps.Taken: lower_map.taken,
    typed_maps.Obtain: lower_map.obtained,
    MemoryRead: read_optional,
    After: _after_optional,
    ContextField: lower_packet.optional_pointer_of,
    PacketAt: lower_packet.packet_at,
    PacketCopy: lower_packet.packet_copy,
    **SYMBOL_OPTIONALS,
}
