"""Where the slots of a function hold something that is used later, and which do so at once.

A slot is needed from where it is filled to its last use. What writes all of it, by name or through
its address, leaves nothing of what was there, and so starts anew. Slots are the bits of a number:
a function may have hundreds of them, and as many blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.nodes import Copy, Fill, SlotAddr, Store, Value, WriteSlot
from pyebpf.ir.points_to import PointsTo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.ir.flow import Flow
    from pyebpf.ir.nodes import Block, Function, Slot


class Life:
    """The life of the slots of a function, as it is when this is made."""

    def __init__(self, fn: Function, flow: Flow) -> None:
        self._flow = flow
        self._bit = {slot: 1 << number for number, slot in enumerate(fn.slots)}
        self.leads = PointsTo(fn)
        self._filled = self._filled_at_start()
        self._needed = self._needed_at_end()
        self._escaped = self._bits(self.leads.escaped)

    def crossing(self, block: Block) -> set[Slot]:
        """Return the slots that hold something at the start of a block that is used later."""
        return self._slots(self._before(block, self._needed[block]) & self._filled[block])

    def meetings(self) -> dict[Slot, set[Slot]]:
        """Return, for each slot, those that hold something of use at the same time; itself too."""
        met = dict.fromkeys(self._bit, 0)
        for block in self._flow.order:
            self._meet(block, met)
        everything = (1 << len(met)) - 1
        for slot, bit in self._bit.items():
            if self._escaped & bit:
                met[slot] = everything
        return {slot: self._slots(bits | self._escaped) for slot, bits in met.items()}

    def _meet(self, block: Block, met: dict[Slot, int]) -> None:
        """Note what meets where a slot is touched: a life starts there, if anywhere."""
        filled = [self._filled[block]]
        for instr in block.instrs:
            filled.append(filled[-1] | self._bits(self.leads.reached(instr)))
        needed = self._needed[block]
        for at in range(len(block.instrs) - 1, -1, -1):
            instr = block.instrs[at]
            here = self.leads.reached(instr)
            there = (needed & filled[at + 1]) | self._bits(here)
            for slot in here:
                met[slot] |= there
            for slot in self._slots(there & ~self._bits(here)):
                met[slot] |= self._bits(here)
            needed = self._before_instr(instr, needed)

    def _filled_at_start(self) -> dict[Block, int]:
        """Return what some way to the start of each block has touched."""
        touched = {
            block: self._bits(slot for i in block.instrs for slot in self.leads.reached(i))
            for block in self._flow.order
        }
        found = dict.fromkeys(self._flow.order, 0)
        work = self._flow.order[::-1]
        while work:
            block = work.pop()
            for after in self._flow.after[block]:
                more = (found[block] | touched[block]) & ~found[after]
                if more:
                    found[after] |= more
                    work.append(after)
        return found

    def _needed_at_end(self) -> dict[Block, int]:
        """Return what some way from the end of each block uses before it is filled anew."""
        found = dict.fromkeys(self._flow.order, 0)
        work = self._flow.order[:]
        while work:
            block = work.pop()
            needed = self._before(block, found[block])
            for before in self._flow.before[block]:
                if needed & ~found[before]:
                    found[before] |= needed
                    work.append(before)
        return found

    def _before(self, block: Block, needed: int) -> int:
        for instr in reversed(block.instrs):
            needed = self._before_instr(instr, needed)
        return needed

    def _before_instr(self, instr: Value, after: int) -> int:
        whole = self._fills(instr)
        if whole is not None:
            after &= ~self._bit[whole]
        return after | self._bits(slot for slot in self.leads.reached(instr) if slot is not whole)

    def _fills(self, instr: Value) -> Slot | None:
        """Return the slot of which an instruction leaves nothing as it was."""
        if isinstance(instr, WriteSlot):
            return instr.slot
        if isinstance(instr, Store):
            pointer, size = instr.pointer, instr.value.type.size
        elif isinstance(instr, Fill):
            pointer, size = instr.pointer, instr.size
        elif isinstance(instr, Copy):
            pointer, size = instr.target, instr.size
        else:
            return None
        if not isinstance(pointer, SlotAddr) or pointer.slot.type.size != size:
            return None
        reads = isinstance(instr, Copy) and pointer.slot in self.leads.behind(instr.source)
        return None if reads else pointer.slot

    def _bits(self, slots: Iterable[Slot]) -> int:
        found = 0
        for slot in slots:
            found |= self._bit[slot]
        return found

    def _slots(self, bits: int) -> set[Slot]:
        return {slot for slot, bit in self._bit.items() if bits & bit}
