"""Elements of arrays: which index is meant, and what happens if there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import literal, need_number, to_int
from pyebpf.dsl.faults import Fault, Mismatch
from pyebpf.dsl.typed import Expr, Literal
from pyebpf.dsl.typed_maps import Index
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from pyebpf.dsl.typed import MapUse


def index_of(made: MapUse, key: Expr) -> Expr:
    """Convert an index to the array's key type.

    Raises:
        Fault: it is a constant past either end.
    """
    length = made.spec.max_entries
    number = need_number(key)
    if isinstance(number, Literal):
        return to_int(literal(_constant(number, length), number.span), U32)
    known = number.range
    if known is not None and known[0] >= 0 and known[1] <= U32.high:
        return to_int(number, U32)  # the kernel itself refuses what is past the end
    return Index(U32, number.span, number, length)


def _constant(key: Literal, length: int) -> int:
    place = int(key.value)
    if not -length <= place < length:
        wanted = f"an index from {-length} to {length - 1}"
        raise Fault(Mismatch(key.span, expected=wanted, got=str(place)))
    return place % length
