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

from typing import TYPE_CHECKING, ClassVar, NamedTuple

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
    operands,
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
#: So many blocks of those that look alike are compared with all others, and found to be alone.
_TRIES = 8


def share_tails(fn: Function, _: Context) -> bool:
    """Let two ways that end alike meet where that begins."""
    alike = groups([block for block in fn.blocks if _call(block)], _end)
    return bool(alike) and _Sharing(fn).run(alike)


def _call(block: Block) -> int:
    """Return how many instructions a block has from its last call on, or the count of a loss."""
    for count, instr in enumerate(reversed(block.instrs), 1):
        if isinstance(instr, (CallHelper, GlobalAddr)):
            return count
    return 0


def _end(block: Block) -> Hashable:
    rest = block.instrs[-_call(block) :]
    return getattr(rest[0], "helper", ""), tuple(map(type, rest))


class _Shared(NamedTuple):
    """A block that was made: how many instructions it shares, and in which variable one differs."""

    length: int
    number: Slot | None
    read: ReadSlot | None


class _Sharing:
    """The blocks of a function while some of them are joined.

    Attributes:
        gone: blocks that nothing leads to any more.
        before: what leads to each block.
        home: the block of each instruction.
        users: the instructions that use each value.
        made: the blocks that several lead to now.
    """

    def __init__(self, fn: Function) -> None:
        self.fn = fn
        self.gone: set[Block] = set()
        self.before: dict[Block, set[Block]] = {block: set() for block in fn.blocks}
        self.home: dict[Value, Block] = {}
        self.users: dict[Value, list[Value]] = {}
        self.made: dict[Block, _Shared] = {}
        for block in fn.blocks:
            for following in block.successors():
                self.before[following].add(block)
            for instr in block.instrs:
                self.home[instr] = block
                for used in operands(instr):
                    self.users.setdefault(used, []).append(instr)

    def run(self, alike: list[list[Block]]) -> bool:
        """Join what can be joined of blocks that look alike; tell whether any were."""
        for group in alike:
            tries = _TRIES
            while group and tries:
                tries -= not self._all_as_first(group)
        drop_unreachable(self.fn)
        return bool(self.made)

    def _all_as_first(self, group: list[Block]) -> bool:
        """Join the first of a group with all that end as it does; take them out of the group."""
        before = first = group.pop(0)
        rest = []
        for other in group:
            shared = None if {first, other} & self.gone else self._share(first, other)
            first = shared or first
            rest += [] if shared else [other]
        group[:] = rest
        return first is not before

    def _share(self, first: Block, other: Block) -> Block | None:
        """Join the longest ends that are alike; return the block that they are in."""
        if first in self.made:
            tail = _Tail(first, other, self.made[first].length)
            if tail.is_shared() and self._is_closed(tail) and self._lead(tail):
                return first
        most = 0
        for mine, yours in zip(reversed(first.instrs), reversed(other.instrs), strict=False):
            if type(mine) is not type(yours):
                break
            most += 1
        for count in range(most, _call(first) - 1, -1):
            tail = _Tail(first, other, count)
            if tail.is_shared() and self._is_closed(tail):
                return self._join(tail)
        return None

    def _is_closed(self, tail: _Tail) -> bool:
        """Tell whether the second region is entered at its head, and nobody needs its values."""
        inside = {tail.other, *tail.blocks.values()} | self.gone
        entered = (self.before[block] for block in tail.blocks.values())
        used = (self.users.get(value, ()) for value in tail.values.values())
        return all(blocks <= inside for blocks in entered) and all(
            self.home[user] in inside for users in used for user in users
        )

    def _lead(self, tail: _Tail) -> bool:
        """Lead a block to one that was made for others, if it differs where they do."""
        made = self.made[tail.first]
        stores = tail.stores
        if stores is not None and (stores[0].value is not made.read or made.number is None):
            return False
        if made.number is not None and stores is None:
            return False
        self._cut(tail.other, tail, tail.first, made.number, stores[1] if stores else None)
        self.gone |= set(tail.blocks.values())
        return True

    def _join(self, tail: _Tail) -> Block:
        """Move the end of the first block into one of its own, and lead both there."""
        shared = Block(f"shared{len(self.fn.blocks)}")
        again: dict[Value, Value] = {
            address: SlotAddr(address.type, address.span, address.slot) for address in tail.again
        }
        end = tail.first.instrs[-tail.count :]
        number = read = None
        mine, yours = tail.stores or (None, None)
        if mine is not None:
            number = Slot("number", mine.value.type)
            self.fn.slots.append(number)
            read = ReadSlot(mine.value.type, mine.span, number)
        self.before[shared] = set()
        self._cut(tail.first, tail, shared, number, mine)
        self._cut(tail.other, tail, shared, number, yours)
        if mine is not None and read is not None:
            mine.value = read
        shared.instrs = [*again.values(), *([read] if read else []), *end]
        self.home |= dict.fromkeys(shared.instrs, shared)
        for block in (shared, *tail.blocks):
            for instr in block.instrs:
                replace_operands(instr, again)
        for following in shared.successors():
            self.before[following] = self.before[following] - {tail.first} | {shared}
        self.fn.blocks.append(shared)
        self.gone |= set(tail.blocks.values())
        self.made[shared] = _Shared(tail.count, number, read)
        return shared

    def _cut(
        self, block: Block, tail: _Tail, shared: Block, number: Slot | None, store: Store | None
    ) -> None:
        """Lead a block to what is shared, with what it would store there in a variable."""
        span = block.instrs[-tail.count].span
        new: list[Value] = [Jump(VOID, span, shared)]
        if number is not None and store is not None:
            new.insert(0, WriteSlot(VOID, store.span, number, store.value))
        block.instrs[-tail.count :] = new
        self.home |= dict.fromkeys(new, block)
        self.before[shared].add(block)


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

    def is_shared(self) -> bool:
        """Tell whether both do the same."""
        first, other = self.first, self.other
        if len(other.instrs) < self.count:
            return False
        self.seen |= {first, other}
        for pair in zip(first.instrs[-self.count :], other.instrs[-self.count :], strict=True):
            self._at = pair
            if not self.is_same(*pair):
                return False
        self._at = None
        following = zip(first.successors(), other.successors(), strict=True)
        if not all(self.match(*pair) for pair in following):
            return False
        return self.count + sum(len(block.instrs) for block in self.blocks) >= _LEAST

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
