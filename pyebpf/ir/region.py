"""Natural loops: which blocks belong to one, where it is left, which values and slots cross it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.life import Life
from pyebpf.ir.nodes import (
    Compare,
    Const,
    Convert,
    Copy,
    Element,
    Frame,
    Load,
    Member,
    Slot,
    SlotAddr,
    Value,
    WriteSlot,
    operands,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.ir.flow import Flow
    from pyebpf.ir.nodes import Block, Function


class Region:
    """The blocks of the natural loop that starts over at ``head``.

    Attributes:
        blocks: in the order of the flow, the head first; just the head if nothing goes back to it.
        exits: the blocks outside that the loop may go on to, each once.
        before: the blocks outside that lead to the head.
    """

    def __init__(self, flow: Flow, head: Block) -> None:
        inside = {head}
        work = [b for b in flow.before[head] if flow.dominates(head, b)]
        while work:
            block = work.pop()
            if block not in inside:
                inside.add(block)
                work += flow.before[block]
        self.head = head
        self.blocks = [b for b in flow.order if b in inside]
        self.outside = [b for b in flow.order if b not in inside]
        leaving = [s for b in self.blocks for s in b.successors() if s not in inside]
        self.exits = list(dict.fromkeys(leaving))
        self.before = [b for b in flow.before[head] if b not in inside]
        self._flow = flow

    @property
    def loops(self) -> bool:
        """Whether anything goes back to the head."""
        return any(self.head in block.successors() for block in self.blocks)

    def values_in(self) -> list[Value]:
        """Return the values that the loop uses and that are computed before it."""
        own = {instr for block in self.blocks for instr in block.instrs}
        return [v for v in _used(self.blocks) if v not in own]

    def values_out(self) -> list[Value]:
        """Return the values of the loop that are used after it."""
        own = {instr for block in self.blocks for instr in block.instrs}
        return [v for v in _used(self.outside) if v in own]

    def slots(self) -> list[Slot]:
        """Return the slots that the loop mentions."""
        return mentioned(self.blocks)

    def private(self, fn: Function) -> set[Slot]:
        """Return the slots that carry nothing into a turn or out of it: each may have its own."""
        life = Life(fn, self._flow)
        carried = set().union(*map(life.crossing, [self.head, *self.exits]))
        addresses = [*self.values_in(), *self.values_out()]
        given = set().union(*map(life.leads.behind, addresses))
        own = (slot for slot in self.slots() if isinstance(slot, Frame) or slot not in carried)
        return {slot for slot in own if slot not in given}

    def changes(self, address: Value) -> bool:
        """Tell whether the loop may write what is at an address; it passes it on, or stores it."""
        slot = getattr(address, "slot", None)
        derived = {address}
        for instr in (i for block in self.blocks for i in block.instrs):
            mentions = slot is not None and getattr(instr, "slot", None) is slot
            if mentions and isinstance(instr, WriteSlot):
                return True
            if mentions or (
                isinstance(instr, Member | Element | Convert) and _base(instr) in derived
            ):
                derived.add(instr)
            elif isinstance(instr, Copy):
                if instr.target in derived:
                    return True
            elif not isinstance(instr, Load | Compare) and any(
                v in derived for v in operands(instr)
            ):
                return True
        return False


def _base(instr: Member | Element | Convert) -> Value:
    return instr.value if isinstance(instr, Convert) else instr.base


def mentioned(blocks: Iterable[Block]) -> list[Slot]:
    """Return the slots that blocks mention, in order."""
    found = (getattr(instr, "slot", None) for block in blocks for instr in block.instrs)
    return list(dict.fromkeys(slot for slot in found if slot is not None))


def addressed(blocks: Iterable[Block]) -> set[Slot]:
    """Return the slots whose address is taken."""
    return {i.slot for block in blocks for i in block.instrs if isinstance(i, SlotAddr)}


def written(blocks: Iterable[Block]) -> set[Slot]:
    """Return the slots that are written by name."""
    return {i.slot for block in blocks for i in block.instrs if isinstance(i, WriteSlot)}


def _used(blocks: Iterable[Block]) -> list[Value]:
    used = (v for block in blocks for instr in block.instrs for v in operands(instr))
    return list(dict.fromkeys(v for v in used if not isinstance(v, Const)))
