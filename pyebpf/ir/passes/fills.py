"""Leave out the zeros that are overwritten before anybody can see them.

A record is cleared before its fields are written, so that no padding and no field that was
forgotten holds old memory. What follows in a straight line, and stores to a place of the record
before anything may read it, makes the zeros at this place needless.

Takes:  any function.
Gives:  the function; of each fill, the words that are not overwritten first.
Reports: nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pyebpf.ir import nodes
from pyebpf.ir.align import WORD, alignment
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import CallHelper, Const, Fill, Jump, Member, Slot, SlotAddr, Value, operands
from pyebpf.ir.passes.stack_slots import memory_slots
from pyebpf.ir.types import VOID, Pointer, Space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function

#: What neither reads memory that only this program sees, nor writes it.
_NEUTRAL = (
    nodes.Binary, nodes.Compare, nodes.Not, nodes.Swap, nodes.Opaque, nodes.Bounded, nodes.Select,
    nodes.Convert, nodes.Member, nodes.Element, nodes.SlotAddr, nodes.CtxLoad, nodes.MapHandle,
    nodes.GlobalAddr, nodes.ConstText, nodes.FieldAddr, nodes.CoreValue, nodes.KernelLoad,
    nodes.BitfieldRead, nodes.KernelSymbol, nodes.Jump,
)  # fmt: skip
_FILLS_ALL = "get_current_comm"


def trim_fills(fn: Function, context: Context) -> bool:
    """Shorten the fills of records that are new, or on the stack."""
    flow, in_memory, changed = Flow(fn), set(memory_slots(fn)), False
    for block in flow.order:
        for fill in [instr for instr in block.instrs if isinstance(instr, Fill)]:
            root, offset = _place(fill.pointer)
            if offset is None or not _is_private(root) or alignment(fill.pointer) < WORD:
                continue
            written = _Scan(root, in_memory, context).run(_after(flow, block, fill))
            kept = _parts(fill.size, {byte - offset for byte in written})
            if kept != [(0, fill.size)]:
                at = block.instrs.index(fill)
                block.instrs[at : at + 1] = [new for part in kept for new in _fill(fill, *part)]
                changed = True
    return changed


def _fill(fill: Fill, start: int, size: int) -> list[Value]:
    assert isinstance(fill.pointer.type, Pointer)
    place = Member(Pointer(fill.pointer.type.space), fill.span, fill.pointer, start)
    return [place, Fill(VOID, fill.span, place, size)]


def _after(flow: Flow, block: Block, instr: Value) -> Iterator[Value]:
    """Yield what surely runs after an instruction, one after the other."""
    rest = block.instrs[block.instrs.index(instr) + 1 :]
    while True:
        yield from rest
        last = rest[-1]
        if not isinstance(last, Jump) or len(flow.before[last.target]) > 1:
            return
        rest = last.target.instrs


def _place(pointer: Value) -> tuple[Value | Slot, int | None]:
    """Return what an address is in, a variable if it is one, and how far; None if that varies."""
    offset: int | None = 0
    while True:
        if isinstance(pointer, Member):
            offset = None if offset is None else offset + pointer.offset
            pointer = pointer.base
        elif isinstance(pointer, nodes.Element):
            offset, pointer = None, pointer.base
        elif isinstance(pointer, nodes.Convert) and isinstance(pointer.value.type, Pointer):
            pointer = pointer.value
        else:
            return (pointer.slot if isinstance(pointer, SlotAddr) else pointer), offset


def _is_private(root: Value | Slot) -> bool:
    """Tell whether memory is a variable, or a record that nobody else sees before it is sent."""
    return isinstance(root, Slot) or (
        isinstance(root, CallHelper) and root.helper == "ringbuf_reserve"
    )


class _Scan:
    """Collects the bytes behind ``root`` that are written before anything may read them."""

    def __init__(self, root: Value | Slot, in_memory: set[Slot], context: Context) -> None:
        self.root = root
        self.in_memory = in_memory
        #: Variables that hold an address in the memory, and what was read of them.
        self.held: dict[Value | Slot, int | None] = {}
        self.pads = context.target.has("cpu_v4")  # as ``dsl.lower.memory`` says
        self.written: set[int] = set()

    def run(self, instrs: Iterator[Value]) -> set[int]:
        """Follow instructions until one may read the memory."""
        for instr in instrs:
            passes = self._PASSING.get(type(instr))
            if passes is None or not passes(self, instr):
                break
        return self.written

    def _store(self, instr: nodes.Store) -> bool:
        self._write(instr.pointer, instr.value.type.size)
        return not self._may_be(instr.value)

    def _fill(self, instr: Fill) -> bool:
        self._write(instr.pointer, instr.size)
        return True

    def _copy(self, instr: nodes.Copy) -> bool:
        if self._may_be(instr.source):
            return False
        self._write(instr.target, instr.size)
        return True

    def _read_slot(self, instr: nodes.ReadSlot) -> bool:
        if instr.slot in self.held:
            self.held[instr] = self.held[instr.slot]
        return instr.slot is not self.root

    def _call(self, instr: CallHelper) -> bool:
        if instr.helper != _FILLS_ALL or not self.pads:
            return self._uses(instr)
        size = instr.args[1]
        self._write(instr.args[0], size.value if isinstance(size, Const) else 0)
        return True

    def _uses(self, instr: Value) -> bool:
        return not any(map(self._may_be, operands(instr)))

    def _write_slot(self, instr: nodes.WriteSlot) -> bool:
        """Note that a variable has an address in the memory, or none any more."""
        if instr.slot is self.root:
            return False
        self.held.pop(instr.slot, None)
        root, offset = self._place(instr.value)
        if root is self.root and instr.slot not in self.in_memory:
            self.held[instr.slot] = offset
            return True
        return not self._may_be(instr.value)

    def _place(self, pointer: Value) -> tuple[Value | Slot, int | None]:
        root, offset = _place(pointer)
        if root not in self.held:
            return root, offset
        begin = self.held[root]
        return self.root, None if offset is None or begin is None else begin + offset

    def _write(self, pointer: Value, size: int) -> None:
        root, offset = self._place(pointer)
        if root is self.root and offset is not None:
            self.written.update(range(offset, offset + size))

    def _may_be(self, value: Value) -> bool:
        """Tell whether a value may be an address in the memory."""
        if not isinstance(value.type, Pointer):
            return False
        root, _ = self._place(value)
        if root is self.root:
            return True
        apart = _is_private(root) or isinstance(root, Const | nodes.Param)
        return not apart and value.type.space in (Space.STACK, Space.RING)

    #: What each kind of instruction does to the memory: whether the next one may be looked at.
    _PASSING: ClassVar[dict[type[Value], Callable[[_Scan, Any], bool]]] = {
        nodes.Store: _store,
        Fill: _fill,
        nodes.Copy: _copy,
        nodes.ReadSlot: _read_slot,
        nodes.WriteSlot: _write_slot,
        CallHelper: _call,
        nodes.Load: _uses,
        nodes.AtomicRmw: _uses,
        **dict.fromkeys(_NEUTRAL, lambda _scan, _instr: True),
    }


def _parts(size: int, written: set[int]) -> list[tuple[int, int]]:
    """Return which parts are left of ``size`` bytes: the words, or less, that have them all."""
    parts: list[tuple[int, int]] = []
    for word in range(0, size, WORD):
        missing = [byte for byte in range(word, min(word + WORD, size)) if byte not in written]
        if not missing:
            continue
        start, end = word, min(word + WORD, size)
        for width in (WORD // 2, WORD // 4, 1):
            low = missing[0] // width * width
            if missing[-1] < low + width <= size:
                start, end = low, low + width
        if parts and sum(parts[-1]) == start:
            start, _ = parts.pop()
        parts.append((start, end - start))
    return parts
