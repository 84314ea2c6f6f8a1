"""Count what is lost: in a variable of the object, which needs neither a look-up nor a key.

Where the kernel has no such variables (before Linux 5.2), in an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.nodes import (
    AtomicRmw,
    CompareOp,
    GlobalAddr,
    GlobalVariable,
    Member,
    Opaque,
    RmwOp,
    Slot,
    Value,
)
from pyebpf.ir.types import U32, VOID, Pointer, Space

if TYPE_CHECKING:
    from typing import TypeAlias

    from pyebpf.ir.build import Builder
    from pyebpf.spec.objects import MapSpec

    Counters: TypeAlias = GlobalVariable | MapSpec


def count_loss(build: Builder, counters: Counters, number: int, key: Slot | None = None) -> None:
    """Add 1 to one of the counters; with an array, what follows is in a new block.

    Args:
        build: where.
        counters: all of them, a 64-bit number each.
        number: of the counter.
        key: a variable that an array's index may be in; one of its own without it.
    """
    if isinstance(counters, GlobalVariable):
        all_of_them = Pointer(Space.MAP, counters.type)
        base = build.add(GlobalAddr(all_of_them, build.span, counters))
        size = build.const(1).type.size
        place = build.add(Member(Pointer(Space.MAP), build.span, base, number * size))
        # Opaque: LLVM would choose between its address and that of an entry before it is needed.
        _add_one(build, build.add(Opaque(place.type, build.span, place)))
        return
    found = look_up(build, counters, number, key)
    there, end = build.new_block("counted"), build.new_block("end")
    build.branch(build.compare(CompareOp.NE, found, build.const(0, found.type)), there, end)
    build.start(there)
    _add_one(build, build.convert(found, Pointer(Space.MAP, counters.value)))
    build.jump(end)
    build.start(end)


def look_up(build: Builder, spec: MapSpec, number: int = 0, key: Slot | None = None) -> Value:
    """Return a pointer to an element of an array, null for the verifier."""
    index = key or build.slot("index", U32)
    build.write(index, build.const(number, U32))
    found = Pointer(Space.MAP, spec.value, nullable=True)
    return build.call("map_lookup_elem", (build.map(spec), build.addr(index)), found)


def _add_one(build: Builder, place: Value) -> None:
    build.add(AtomicRmw(VOID, build.span, RmwOp.ADD, place, build.const(1)))
