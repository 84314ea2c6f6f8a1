"""The control flow of a function: order, predecessors, dominators. Only terminators matter."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyebpf.ir.nodes import Block, Function


class Flow:
    """What follows from the terminators of a function, computed once.

    Attributes:
        order: the blocks that can run, each after the blocks that dominate it (reverse postorder).
        before: the predecessors of each block that can run.
        after: its successors.
    """

    def __init__(self, fn: Function) -> None:
        self.after: dict[Block, tuple[Block, ...]] = {}
        self.order = self._reverse_postorder(fn.entry)
        self.number = {block: i for i, block in enumerate(self.order)}
        self.before: dict[Block, list[Block]] = {block: [] for block in self.order}
        for block in self.order:
            for successor in self.after[block]:
                self.before[successor].append(block)

    def runs(self, block: Block) -> bool:
        """Tell whether a path from the entry reaches ``block``."""
        return block in self.number

    def dominates(self, upper: Block, lower: Block) -> bool:
        """Tell whether every path to ``lower`` goes through ``upper``."""
        at, goal = self.number[lower], self.number[upper]
        while at > goal:
            at = self._above[at]
        return at == goal

    def dominators(self, block: Block) -> list[Block]:
        """Return the blocks that dominate ``block``, the entry first, ``block`` last."""
        chain = [self.number[block]]
        while chain[-1]:
            chain.append(self._above[chain[-1]])
        return [self.order[i] for i in reversed(chain)]

    @cached_property
    def _above(self) -> list[int]:
        # The scheme of Cooper, Harvey and Kennedy: by number in reverse postorder, until stable.
        above = [0] + [-1] * (len(self.order) - 1)
        changed = True
        before = [[self.number[p] for p in self.before[block]] for block in self.order]
        while changed:
            changed = False
            for i, numbers in enumerate(before[1:], 1):
                known = [number for number in numbers if above[number] >= 0]
                found = known[0]
                for other in known[1:]:
                    found = _meet(above, found, other)
                changed |= above[i] != found
                above[i] = found
        return above

    def _reverse_postorder(self, entry: Block) -> list[Block]:
        after = self.after
        after[entry] = entry.successors()
        done = []
        stack = [(entry, iter(after[entry]))]
        while stack:
            block, rest = stack[-1]
            for following in rest:
                if following not in after:
                    after[following] = following.successors()
                    stack.append((following, iter(after[following])))
                    break
            else:
                done.append(block)
                stack.pop()
        return done[::-1]


def _meet(above: list[int], left: int, right: int) -> int:
    while left != right:
        if left > right:
            left = above[left]
        else:
            right = above[right]
    return left
