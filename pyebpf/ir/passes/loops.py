"""Choose how each loop runs: as jumps, which the verifier follows turn by turn, or as calls.

The verifier looks at every turn of a loop of jumps, so that only short loops can be made of them.
A loop that is long, or whose turns nobody knows, becomes a function that ``bpf_loop`` calls for
each turn; one over the entries of a map becomes a function for ``bpf_for_each_map_elem``. What the
loop shares with the rest of the program lies in a frame on the stack, whose address the function
gets.

Takes:  any function.
Gives:  the function without ``NextEntry`` and ``EntryPart``, and new functions.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import MAX_TURNS, Branch, Compare, Const, Loop, NextEntry, Opaque, Value
from pyebpf.ir.outline import outline
from pyebpf.ir.region import Region

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function

#: A loop of jumps may have this many instructions in all its turns together. The verifier's limit
#: is a million, of a program's own instructions and for each way through them.
PLAIN_INSTRUCTIONS = 16_384
#: So many branches in a loop of jumps are not counted.
FREE_FORKS = 8
#: The same where the kernel has no other loops, and the number of turns is not known.
BOUNDED_INSTRUCTIONS = 65_536
#: What a called loop counts for inside a loop of jumps, as a factor of the instructions around the
#: call: the verifier goes through its function until nothing new is learned, each time.
CALLED_LOOP = 256
_LEAST_TURNS, _MOST_TURNS = 16, 8_192


def choose_loops(fn: Function, context: Context) -> bool:
    """Decide for each loop, from the inside out."""
    weights: dict[Block, int] = {}
    loops, fn.loops = fn.loops, ()
    for loop in reversed(loops):
        flow = Flow(fn)
        if not flow.runs(loop.head):
            continue
        region = Region(flow, loop.head)
        work = sum(len(block.instrs) * weights.get(block, 1) for block in region.blocks)
        if isinstance(loop.guard, NextEntry) or _needs_calls(loop, region, work, context):
            weights[outline(fn, loop, region, context)] = CALLED_LOOP
        elif region.loops:
            turns = loop.trips or _bound(loop, work)
            _keep_bound(loop, region)
            weights |= {block: weights.get(block, 1) * turns for block in region.blocks}
    return bool(loops)


def _needs_calls(loop: Loop, region: Region, work: int, context: Context) -> bool:
    if not region.loops or not context.target.has("helper:loop"):
        return False
    if loop.trips is None:
        return True
    # Each branch may double the ways that the verifier has to follow.
    forks = sum(isinstance(block.instrs[-1], Branch) for block in region.blocks)
    return loop.trips * work * max(1, forks // FREE_FORKS) > PLAIN_INSTRUCTIONS


def _bound(loop: Loop, work: int) -> int:
    turns = min(max(BOUNDED_INSTRUCTIONS // work, _LEAST_TURNS), _MOST_TURNS)
    _limit(loop.guard, turns)
    return turns


def _keep_bound(loop: Loop, region: Region) -> None:
    """Hide the counter of a loop that ends elsewhere, too.

    Where LLVM knows that the other end always comes first, it leaves the bound out; the verifier,
    which knows less of the numbers, would then see a loop without an end.
    """
    guard = loop.guard
    assert isinstance(guard, Compare), guard
    if any(s in region.exits for b in region.blocks for s in b.successors() if b is not loop.head):
        hidden = Opaque(guard.left.type, guard.span, guard.left)
        loop.head.instrs.insert(loop.head.instrs.index(guard), hidden)
        guard.left = hidden


def _limit(guard: Value, turns: int) -> None:
    right = getattr(guard, "right", None)
    assert isinstance(right, Const), guard
    assert right.value == MAX_TURNS, "only a loop of unknown length is cut"
    guard.right = Const(right.type, right.span, turns)  # type: ignore[attr-defined]
