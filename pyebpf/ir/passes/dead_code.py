"""Remove what nobody uses: pure instructions, variables that are never read, unreachable blocks.

Takes:  any function.
Gives:  the function; each instruction has an effect or a user, each slot is read somewhere.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir import nodes
from pyebpf.ir.nodes import ReadSlot, SlotAddr, Value, WriteSlot, operands
from pyebpf.ir.rewrite import drop_unreachable

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Slot

_EFFECTS = {
    nodes.Store,
    nodes.StoreUnknown,
    nodes.Fill,
    nodes.Forget,
    nodes.Copy,
    nodes.AtomicRmw,
    nodes.CompareExchange,
    nodes.CallHelper,
    nodes.CallKfunc,
    nodes.CallFunction,
    *nodes.TERMINATORS,
}


def drop_dead_code(fn: Function, context: Context) -> bool:  # noqa: ARG001 (a pass)
    """Keep what has an effect, and what that needs."""
    changed = drop_unreachable(fn)
    live = _live(fn)
    for block in fn.blocks:
        kept = [instr for instr in block.instrs if instr in live]
        changed |= len(kept) < len(block.instrs)
        block.instrs = kept
    used = {slot for instr in live if (slot := getattr(instr, "slot", None)) is not None}
    fn.slots = [slot for slot in fn.slots if slot in used]
    return changed


def _live(fn: Function) -> set[Value]:
    """Return the instructions that matter, from those with effects backwards."""
    writes: dict[Slot, list[Value]] = {}
    work: list[Value] = []
    for block in fn.blocks:
        for instr in block.instrs:
            if isinstance(instr, WriteSlot):
                writes.setdefault(instr.slot, []).append(instr)
            elif type(instr) in _EFFECTS:
                work.append(instr)
    live: set[Value] = set()
    while work:
        instr = work.pop()
        if instr in live:
            continue
        live.add(instr)
        work += operands(instr)
        if isinstance(instr, (ReadSlot, SlotAddr)):
            work += writes.pop(instr.slot, ())
    return live
