"""Share what two ways to one place do alike, but for a number that they store.

``counts[1] += 1`` here and ``counts[2] += 1`` there, before both go on at the same place, are one
piece of code, with the key in a variable. The two stand on different lines, and what is left has
those of the first; so this is for the code only, when the IR has been given to those who count
lines.

Takes:  any function, when its copies have been joined.
Gives:  the function; of two regions that begin within a block, call the kernel there, have the same
    instructions on the same variables, and lead to the same blocks, one is left.
Reports: nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import (
    Block,
    CallHelper,
    GlobalAddr,
    Jump,
    ReadSlot,
    Slot,
    SlotAddr,
    Store,
    Value,
    WriteSlot,
)
from pyebpf.ir.passes.copies import TARGETS, Pair, groups
from pyebpf.ir.rewrite import drop_unreachable, replace_operands
from pyebpf.ir.types import VOID
from pyebpf.spec.types import Bool, Int

if TYPE_CHECKING:
    from collections.abc import Hashable

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function

#: What has fewer instructions is not worth a jump.
_LEAST = 5


def share_tails(fn: Function, _: Context) -> bool:
    """Let two ways that end alike meet where that begins."""
    changed = False
    calling = [block for block in fn.blocks if _call(block)]
    for group in groups(calling, _end):
        while group:
            changed |= _share_first(fn, group)
    return changed


def _share_first(fn: Function, group: list[Block]) -> bool:
    """Join the first block of a group with all that end as it does; take them out of the group."""
    before = first = group.pop(0)
    for other in group[:]:
        shared = _share(fn, first, other)
        if shared is not None:
            first = shared
            group.remove(other)
    return first is not before


def _call(block: Block) -> int:
    """Return how many instructions a block has from its last call on, or the count of a loss."""
    for count, instr in enumerate(reversed(block.instrs), 1):
        if isinstance(instr, (CallHelper, GlobalAddr)):
            return count
    return 0


def _end(block: Block) -> Hashable:
    rest = block.instrs[-_call(block) :]
    return getattr(rest[0], "helper", ""), tuple(map(type, rest))


def _share(fn: Function, first: Block, other: Block) -> Block | None:
    """Join the longest ends that are alike; return the block that they are in."""
    most = 0
    for mine, yours in zip(reversed(first.instrs), reversed(other.instrs), strict=False):
        if type(mine) is not type(yours):
            break
        most += 1
    for count in range(most, _call(first) - 1, -1):
        tail = _Tail(first, other, count)
        if tail.is_shared(fn):
            return tail.join(fn)
    return None


class _Tail(Pair):
    """The ends of two blocks, and what follows them, where one is to serve for both."""

    free: ClassVar[tuple[str, ...]] = (*TARGETS, "span")

    def __init__(self, first: Block, other: Block, count: int) -> None:
        super().__init__()
        self.first, self.other, self.count = first, other, count
        #: The two stores that differ in what they store.
        self.stores: tuple[Store, Store] | None = None
        #: Addresses of variables that were taken before, to be taken again.
        self.again: list[SlotAddr] = []
        self._at: tuple[Value, Value] | None = None

    def is_shared(self, fn: Function) -> bool:
        """Tell whether both do the same, and nobody else comes into the second or needs it."""
        first, other = self.first, self.other
        self.seen |= {first, other}
        ends = zip(first.instrs[-self.count :], other.instrs[-self.count :], strict=True)
        if not all(self.is_same(*self._note(pair)) for pair in ends):
            return False
        self._at = None
        following = zip(first.successors(), other.successors(), strict=True)
        if not all(self.match(*pair) for pair in following):
            return False
        size = self.count + sum(len(block.instrs) for block in self.blocks)
        self.blocks[first] = other
        flow = Flow(fn)
        return size >= _LEAST and flow.runs(first) and self.is_closed(flow, other)

    def _note(self, pair: tuple[Value, Value]) -> tuple[Value, Value]:
        self._at = pair
        return pair

    def stands_for(self, first: Value, other: Value) -> bool:
        """Tell whether what one uses is what the other does, or may differ."""
        if super().stands_for(first, other):
            return True
        if isinstance(first, SlotAddr) and isinstance(other, SlotAddr):
            same = first.slot is other.slot and first not in self.values
            self.again += [first] if same and first not in self.again else []
            return same
        return self._may_differ(first, other)

    def _may_differ(self, first: Value, other: Value) -> bool:
        # Stored only: what a helper is called with must often be known to the verifier.
        if self.stores is not None or self._at is None or first in self.values:
            return False
        mine, yours = self._at
        if not (isinstance(mine, Store) and isinstance(yours, Store) and mine.value is first):
            return False
        self.stores = (mine, yours)
        return first.type == other.type and isinstance(first.type, Int | Bool)

    def join(self, fn: Function) -> Block:
        """Move the end of the first block into one of its own, and lead both there."""
        shared = Block(f"shared{len(fn.blocks)}")
        again: dict[Value, Value] = {
            address: SlotAddr(address.type, address.span, address.slot) for address in self.again
        }
        shared.instrs = [*again.values(), *self._cut(self.first, shared)]
        self._cut(self.other, shared)
        if self.stores is not None:
            self._meet(fn, shared, *self.stores)
        self.blocks.pop(self.first)  # what is left of it has the addresses as they were
        for block in (shared, *self.blocks):
            for instr in block.instrs:
                replace_operands(instr, again)
        fn.blocks.append(shared)
        drop_unreachable(fn)
        return shared

    def _cut(self, block: Block, shared: Block) -> list[Value]:
        """Lead a block to what is shared; return what it had there."""
        end = block.instrs[-self.count :]
        block.instrs[-self.count :] = [Jump(VOID, end[0].span, shared)]
        return end

    def _meet(self, fn: Function, shared: Block, mine: Store, yours: Store) -> None:
        """Let both leave in a variable what is stored."""
        number = Slot("number", mine.value.type)
        fn.slots.append(number)
        for block, store in ((self.first, mine), (self.other, yours)):
            block.instrs.insert(-1, WriteSlot(VOID, store.span, number, store.value))
        read = ReadSlot(mine.value.type, mine.span, number)
        shared.instrs.insert(shared.instrs.index(mine), read)
        mine.value = read
