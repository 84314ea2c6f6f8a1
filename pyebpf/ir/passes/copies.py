"""Keep one of several copies of a piece of source that end alike.

A loop over constants is written out turn by turn. What stands before a ``break`` or a ``return`` in
it is left behind by every turn, runs in one of them at most, and goes on at the same place: of such
copies the first serves all.

Takes:  any function, when its loops have been dealt with.
Gives:  the function; of regions that are entered at one block, have the same instructions from the
    same lines on the same variables, and lead to the same blocks, one is left.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import Block, Const, Jump, Value, operands
from pyebpf.ir.rewrite import drop_unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function

#: What has fewer instructions is not worth a jump.
_LEAST = 4
#: The fields of instructions that name blocks.
TARGETS = ("target", "then", "other")


def join_copies(fn: Function, _: Context) -> bool:
    """Let what leads to a copy lead to the first of them."""
    changed = False
    # By kinds first, which tell most blocks apart: places take longer to compare.
    long = [block for block in fn.blocks if len(block.instrs) >= _LEAST]
    for first, *others in (
        same
        for group in groups(long, lambda block: tuple(map(type, block.instrs)))
        for same in groups(group, lambda block: tuple(instr.span for instr in block.instrs))
    ):
        for other in others:
            if any(block is other for block in fn.blocks) and _join(fn, first, other):
                changed = True
    return changed


def groups(blocks: list[Block], key: Callable[[Block], Hashable]) -> list[list[Block]]:
    """Return the blocks that are alike, together; those that are not like another are left out."""
    alike: dict[Hashable, list[Block]] = {}
    for block in blocks:
        alike.setdefault(key(block), []).append(block)
    return [group for group in alike.values() if len(group) > 1]


def _join(fn: Function, first: Block, other: Block) -> bool:
    pair = Pair()
    if not (pair.match(first, other) and pair.is_closed(Flow(fn), other)):
        return False
    for block in fn.blocks:
        last = block.instrs[-1]
        for name in TARGETS:
            if last.__dict__.get(name) is other:
                setattr(last, name, first)
    drop_unreachable(fn)
    return True


class Pair:
    """Two regions, block by block and value by value: what in one stands for what in the other."""

    #: Fields in which instructions may differ.
    free: ClassVar[tuple[str, ...]] = TARGETS

    def __init__(self) -> None:
        self.blocks: dict[Block, Block] = {}
        self.seen: set[Block] = set()
        self.values: dict[Value, Value] = {}

    def match(self, first: Block, other: Block) -> bool:
        """Tell whether what begins at two blocks does the same, and go through both."""
        work = [(first, other)]
        while work:
            first, other = map(_behind_jumps, work.pop())
            if first is other or self.blocks.get(first) is other:
                continue
            if not self._is_new(first, other):
                return False
            self.blocks[first] = other
            self.seen |= {first, other}
            if not all(map(self.is_same, first.instrs, other.instrs)):
                return False
            work += zip(first.successors(), other.successors(), strict=True)
        return True

    def _is_new(self, first: Block, other: Block) -> bool:
        return self.seen.isdisjoint((first, other)) and len(first.instrs) == len(other.instrs)

    def is_closed(self, flow: Flow, head: Block) -> bool:
        """Tell whether the second region is entered at its head, and nobody needs its values."""
        inside = set(self.blocks.values())
        entered = {b for block in inside - {head} for b in flow.before.get(block, ())}
        made = set(self.values.values())
        outside = [block for block in flow.order if block not in inside]
        used = (value for block in outside for i in block.instrs for value in operands(i))
        return entered <= inside and head in flow.number and made.isdisjoint(used)

    def is_same(self, first: Value, other: Value) -> bool:
        """Tell whether two instructions do the same, and note that one stands for the other."""
        if type(first) is not type(other) or first.operand_fields != other.operand_fields:
            return False
        for name, mine in first.__dict__.items():
            own = name not in first.operand_fields and name not in self.free
            if own and mine != other.__dict__[name]:
                return False
        self.values[first] = other
        mine, yours = operands(first), operands(other)
        return len(mine) == len(yours) and all(map(self.stands_for, mine, yours))

    def stands_for(self, first: Value, other: Value) -> bool:
        """Tell whether what one region uses is what the other does."""
        if isinstance(first, Const) and isinstance(other, Const):
            return (first.type, first.value) == (other.type, other.value)
        return self.values.get(first, first) is other


def _behind_jumps(block: Block) -> Block:
    """Return the first block from here that does something."""
    seen = set[Block]()
    while len(block.instrs) == 1 and isinstance(block.instrs[0], Jump) and block not in seen:
        seen.add(block)
        block = block.instrs[0].target
    return block
