"""What addresses are surely a multiple of: old verifiers, and all for the stack, insist on it."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from pyebpf.ir import nodes
from pyebpf.ir.types import Pointer, Space
from pyebpf.spec.types import Chars

if TYPE_CHECKING:
    from pyebpf.ir.nodes import Slot, Value

#: Memory that starts at a multiple of 8: the values of maps and the records of ring buffers.
_ALIGNED = (Space.MAP, Space.RING)
WORD = 8


def slot_align(slot: Slot) -> int:
    """Return the alignment of a slot: whole words for everything that has room for one."""
    large = slot.type.size >= WORD or isinstance(slot.type, Chars)  # text is written by words
    return WORD if large else max(1, getattr(slot.type, "align", 1))


def alignment(value: Value) -> int:  # noqa: PLR0911 - one return for each kind of address
    """Return what the address surely is a multiple of, at most 8."""
    if isinstance(value, nodes.SlotAddr):
        return slot_align(value.slot)
    if isinstance(value, nodes.Member):
        return gcd(alignment(value.base), value.offset) or WORD
    if isinstance(value, nodes.Element):
        return gcd(alignment(value.base), value.stride)
    if isinstance(value, nodes.GlobalAddr):
        return WORD
    if isinstance(value, nodes.CallHelper) and _space(value) in _ALIGNED:
        return WORD
    if isinstance(value, nodes.Convert):
        return alignment(value.value)
    to = value.type.to if isinstance(value.type, Pointer) else None
    return getattr(to, "align", 1)


def alignment_at(pointer: Value, offset: int) -> int:
    """Return what the address ``offset`` bytes behind a pointer surely is a multiple of."""
    return gcd(alignment(pointer), offset) or WORD


def widest_step(left: int, *places: int) -> int:
    """Return the widest step that is not longer than what is left, and divides all places."""
    width = WORD
    while width > left or any(place % width for place in places):
        width //= 2
    return width


def _space(value: Value) -> Space | None:
    return value.type.space if isinstance(value.type, Pointer) else None
