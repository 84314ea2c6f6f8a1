"""Let the loops that a function calls share one frame.

Such a loop fills its frame, runs, and reads what came of it, in one block; the next one finds
nothing there that it needs. So a function has room for its largest frame, not for all together:
the stack is 512 bytes.

Takes:  a function whose called loops have a frame each.
Gives:  the function with one frame.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.nodes import Frame, SlotAddr

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function


def share_frames(fn: Function, _: Context) -> bool:
    """Keep the largest frame, and let all loops use it."""
    frames = [slot for slot in fn.slots if isinstance(slot, Frame)]
    if len(frames) < 2:
        return False
    kept = max(frames, key=lambda frame: frame.type.size)
    for instr in (i for block in fn.blocks for i in block.instrs):
        if isinstance(instr, SlotAddr) and instr.slot in frames:
            instr.slot = kept
    fn.slots = [slot for slot in fn.slots if slot is kept or not isinstance(slot, Frame)]
    return True
