"""Let variables that are never needed at the same time share their room on the stack.

What a function keeps in memory is a slot each: records, arrays and texts, and the keys and values
that go to helpers by address. Two that do not hold anything at one point can be one. This is done
where the room would not be enough without it: LLVM keeps a record in registers more easily if its
slot is its own.

Takes:  any function, before its loops become functions.
Gives:  the function with fewer slots, if its slots take more than the room there is.
Reports: nothing; what still does not fit goes to memory of the CPU, by ``large_slots``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.align import slot_align
from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.flow import Flow
from pyebpf.ir.life import Life
from pyebpf.ir.nodes import Load, ReadSlot, SlotAddr, Store, Value, WriteSlot
from pyebpf.ir.passes.stack_slots import memory_slots, stack_size
from pyebpf.ir.rewrite import replace_operands
from pyebpf.ir.types import Pointer, Space

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Slot


def share_slots(fn: Function, context: Context) -> bool:
    """Put slots that do not meet into one place each, if they take too much room."""
    slots = memory_slots(fn)
    if context.stack == STACK_BYTES and sum(map(stack_size, slots)) <= STACK_BYTES:
        return False
    meetings = Life(fn, Flow(fn)).meetings()
    places: list[list[Slot]] = []
    for slot in sorted(slots, key=lambda s: s.type.size, reverse=True):
        fitting = (p for p in places if slot_align(slot) <= slot_align(p[0]))
        place = next((p for p in fitting if not meetings[slot].intersection(p)), None)
        if place is None:
            places.append([slot])
        else:
            place.append(slot)
    moved = {slot: place[0] for place in places for slot in place[1:]}
    _move(fn, moved)
    return bool(moved)


def _move(fn: Function, moved: dict[Slot, Slot]) -> None:
    """Make what uses a slot use the place that it shares, by its address."""
    known: dict[Value, Value] = {}
    for block in fn.blocks:
        before, block.instrs = block.instrs, []
        for instr in before:
            if isinstance(instr, ReadSlot | WriteSlot | SlotAddr) and instr.slot in moved:
                block.instrs += _at_place(instr, moved[instr.slot])
                known[instr] = block.instrs[-1]
            else:
                block.instrs.append(instr)
    for instr in (i for block in fn.blocks for i in block.instrs):
        replace_operands(instr, known)
    fn.slots = [slot for slot in fn.slots if slot not in moved]


def _at_place(instr: ReadSlot | WriteSlot | SlotAddr, place: Slot) -> list[Value]:
    kind = Pointer(Space.STACK, instr.slot.type)  # type: ignore[arg-type]
    address = SlotAddr(kind, instr.span, place)
    if isinstance(instr, ReadSlot):
        return [address, Load(instr.type, instr.span, address)]
    if isinstance(instr, WriteSlot):
        return [address, Store(instr.type, instr.span, address, instr.value)]
    return [SlotAddr(instr.type, instr.span, place)]
