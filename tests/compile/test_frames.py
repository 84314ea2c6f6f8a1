"""Loops that a function calls one after another share one frame on the stack."""

from __future__ import annotations

from pyebpf import RawTracepointContext, raw_tracepoint, tid, uid
from pyebpf.dsl.compile import compile_with_ir
from pyebpf.ir.nodes import Member, SlotAddr
from pyebpf.ir.region import Frame
from tests import frozen


@raw_tracepoint("sys_enter")
def counts(ctx: RawTracepointContext) -> int:
    a, b = tid(), uid()
    while a > 0:
        a -= 1
        b ^= a
    while b > 0:
        b >>= 1
        a += b
    for i in range(tid()):
        a ^= b + i
        while a > b:
            a -= 1
        while b > a:
            b -= 1
    return a + b


def test_each_function_has_one_frame() -> None:
    unit = compile_with_ir([counts], frozen.target())[1]
    found = {fn.name: [s for s in fn.slots if isinstance(s, Frame)] for fn in unit.functions}
    assert [len(found[name]) for name in sorted(found)] == [1, 0, 0, 1, 0, 0]
    for fn in unit.functions:
        used = {i.slot for b in fn.blocks for i in b.instrs if isinstance(i, SlotAddr)}
        assert used <= set(fn.slots), fn.name


def test_the_frame_has_room_for_each_loop() -> None:
    """The largest is kept: two loops of few words, and one of many."""
    unit = compile_with_ir([counts], frozen.target())[1]
    (frame,) = (s for s in unit.functions[0].slots if isinstance(s, Frame))
    members = [i for b in unit.functions[0].blocks for i in b.instrs if isinstance(i, Member)]
    offsets = [m.offset for m in members if getattr(m.base, "slot", None) is frame]
    assert max(offsets) + 8 <= frame.type.size
