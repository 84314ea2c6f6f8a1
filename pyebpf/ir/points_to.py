"""Which slots an address may lead to, and which slots an instruction reaches through its operands.

An address of a slot goes through members, elements and conversions; it may wait in a variable, or
in the frame that a loop shares with its caller. What a function is called with, it may put into a
frame or a variable that it is called with, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pyebpf.ir import nodes
from pyebpf.ir.nodes import Frame, operands
from pyebpf.ir.types import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.ir.nodes import Function, Slot, Value

_Key = TypeVar("_Key")
#: What computes with addresses, and reads or writes nothing there.
_PLAIN = (
    nodes.SlotAddr,
    nodes.Member,
    nodes.Element,
    nodes.Convert,
    nodes.Select,
    nodes.Opaque,
    nodes.Compare,
)
_CALLS = (nodes.CallFunction, nodes.CallHelper, nodes.CallKfunc)


class PointsTo:
    """The slots behind the addresses of a function.

    Attributes:
        escaped: slots whose address went where nothing is known of it.
    """

    def __init__(self, fn: Function) -> None:
        self._behind: dict[Value, set[Slot]] = {}
        self._held: dict[Slot, set[Slot]] = {}
        self.escaped: set[Slot] = set()
        instrs = [instr for block in fn.blocks for instr in block.instrs]
        while sum(self._step(instr) for instr in instrs):
            pass

    def behind(self, value: Value) -> set[Slot]:
        """Return the slots that an address may lead to; none if it is no address of a slot."""
        return self._behind.get(value, set())

    def reached(self, instr: Value) -> set[Slot]:
        """Return the slots that an instruction may read or write."""
        if isinstance(instr, (nodes.ReadSlot, nodes.WriteSlot)):
            return {instr.slot}
        if isinstance(instr, _PLAIN):
            return set()
        direct = self._of(operands(instr))
        return self._closed(direct) if isinstance(instr, _CALLS) else direct

    def _step(self, instr: Value) -> bool:
        """Note what an instruction does with addresses; tell whether that was new."""
        if isinstance(instr, nodes.WriteSlot):
            return _add(self._held, instr.slot, self.behind(instr.value))
        if isinstance(instr, (nodes.Store, nodes.StoreUnknown)):
            return self._put(self.behind(instr.pointer), self.behind(instr.value))
        if isinstance(instr, nodes.Copy):
            return self._put(self.behind(instr.target), self._in(self.behind(instr.source)))
        if isinstance(instr, _CALLS):
            return self._call(instr)
        found = self._given_by(instr)
        if isinstance(instr.type, Pointer):
            return _add(self._behind, instr, found)
        # A number that was an address may become one again.
        return isinstance(instr, nodes.Convert) and self._put(set(), found)

    def _given_by(self, instr: Value) -> set[Slot]:
        if isinstance(instr, nodes.SlotAddr):
            return {instr.slot}
        if isinstance(instr, nodes.ReadSlot):
            return self._held.get(instr.slot, set())
        if isinstance(instr, nodes.Load):
            return self._in(self.behind(instr.pointer))
        return self._of(operands(instr))

    def _put(self, places: set[Slot], addresses: set[Slot]) -> bool:
        if places or not addresses:
            return sum(_add(self._held, place, addresses) for place in places) > 0
        new = not addresses <= self.escaped
        self.escaped |= addresses
        return new

    def _call(self, instr: Value) -> bool:
        given = self._closed(self._of(operands(instr)))
        holders = {
            slot for slot in given if isinstance(slot, Frame) or isinstance(slot.type, Pointer)
        }
        new = sum(_add(self._held, slot, given) for slot in holders)
        if isinstance(instr.type, Pointer):
            new += _add(self._behind, instr, given)
        return new > 0

    def _of(self, values: Iterable[Value]) -> set[Slot]:
        return set().union(*(self.behind(value) for value in values))

    def _in(self, places: set[Slot]) -> set[Slot]:
        return set().union(*(self._held.get(place, set()) for place in places))

    def _closed(self, slots: set[Slot]) -> set[Slot]:
        """Return slots, and those that the addresses in them lead to."""
        found = set(slots)
        work = list(slots)
        while work:
            new = self._held.get(work.pop(), set()) - found
            found |= new
            work += new
        return found


def _add(table: dict[_Key, set[Slot]], key: _Key, more: set[Slot]) -> bool:
    known = table.setdefault(key, set())
    size = len(known)
    known |= more
    return len(known) > size
