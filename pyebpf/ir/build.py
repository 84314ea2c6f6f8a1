"""Make IR: a cursor in a function, with the span of the source that is being compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pyebpf.ir import nodes
from pyebpf.ir.nodes import Block, Branch, Const, Function, Jump, Return, Slot, Value
from pyebpf.ir.types import BOOL, U64, VOID, Pointer, Space

if TYPE_CHECKING:
    from pyebpf.diag import Span
    from pyebpf.ir.types import Type
    from pyebpf.spec.objects import MapSpec

V = TypeVar("V", bound=Value)


class Builder:
    """Appends instructions to the current block of one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.span: Span | None = function.span
        if not function.blocks:
            function.blocks.append(Block("entry"))
        self.block = function.blocks[-1]

    def add(self, instr: V) -> V:
        """Append an instruction; nothing may follow a terminator."""
        assert not self.done, f"{instr} after the end of block {self.block.name}"
        self.block.instrs.append(instr)
        return instr

    @property
    def done(self) -> bool:
        """Whether the current block already ends."""
        last = self.block.instrs[-1] if self.block.instrs else None
        return isinstance(last, nodes.TERMINATORS)

    def new_block(self, name: str) -> Block:
        """Make a block that is placed in the function by :meth:`start`."""
        return Block(f"{name}{len(self.function.blocks)}")

    def start(self, block: Block) -> None:
        """Continue in ``block``, appending it to the function."""
        block.name = f"{block.name.rstrip('0123456789')}{len(self.function.blocks)}"
        self.function.blocks.append(block)
        self.block = block

    def slot(self, name: str, kind: Type) -> Slot:
        """Make a variable."""
        made = Slot(name, kind, self.span)
        self.function.slots.append(made)
        return made

    def const(self, value: int, kind: Type = U64) -> Const:
        return Const(kind, self.span, value)

    def read(self, slot: Slot) -> Value:
        return self.add(nodes.ReadSlot(slot.type, self.span, slot))

    def write(self, slot: Slot, value: Value) -> None:
        self.add(nodes.WriteSlot(VOID, self.span, slot, value))

    def addr(self, slot: Slot) -> Value:
        to = slot.type
        assert not isinstance(to, nodes.Value)
        data = None if isinstance(to, Pointer) or to == VOID else to
        return self.add(nodes.SlotAddr(Pointer(Space.STACK, data), self.span, slot))  # type: ignore[arg-type]

    def binary(self, op: nodes.BinaryOp, left: Value, right: Value) -> Value:
        return self.add(nodes.Binary(left.type, self.span, op, left, right))

    def compare(self, op: nodes.CompareOp, left: Value, right: Value) -> Value:
        return self.add(nodes.Compare(BOOL, self.span, op, left, right))

    def convert(self, value: Value, kind: Type) -> Value:
        """Convert, unless the value already has that type. Constants are folded by a pass."""
        if value.type == kind:
            return value
        return self.add(nodes.Convert(kind, self.span, value))

    def swap(self, value: Value) -> Value:
        """Exchange the bytes of a number."""
        return self.add(nodes.Swap(value.type, self.span, value))

    def load(self, pointer: Value, kind: Type, *, volatile: bool = False) -> Value:
        return self.add(nodes.Load(kind, self.span, pointer, volatile))

    def store(self, pointer: Value, value: Value, *, volatile: bool = False) -> None:
        self.add(nodes.Store(VOID, self.span, pointer, value, volatile))

    def map(self, spec: MapSpec) -> Value:
        return self.add(nodes.MapHandle(Pointer(Space.HANDLE), self.span, spec))

    def call(self, helper: str, args: tuple[Value, ...], kind: Type = U64) -> Value:
        return self.add(nodes.CallHelper(kind, self.span, helper, args))

    def jump(self, target: Block) -> None:
        """End the block, unless it already ended."""
        if not self.done:
            self.add(Jump(VOID, self.span, target))

    def branch(self, condition: Value, then: Block, other: Block) -> None:
        self.add(Branch(VOID, self.span, condition, then, other))

    def ret(self, value: Value | None) -> None:
        self.add(Return(VOID, self.span, value))
