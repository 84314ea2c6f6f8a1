"""Where slots hold something of use, which do so at once, and what then shares room."""

from __future__ import annotations

from pyebpf.diag import Source, Span
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.context import Context
from pyebpf.ir.flow import Flow
from pyebpf.ir.legal import verify
from pyebpf.ir.life import Life
from pyebpf.ir.nodes import Fill, Frame, Function, Slot, Value
from pyebpf.ir.passes.share_slots import share_slots
from pyebpf.ir.types import I32, U64, VOID, Pointer, Space
from pyebpf.spec.target import FrozenFeatures, Target
from pyebpf.spec.types import Array

SPAN = Span(Source("a.py", "x = 1\n"), 1, 0, 1, 5)
ROOM = Array(U64, 40)


def builder() -> Builder:
    b = Builder(Function("probe", "tp_btf/x", (), I32, [], [], SPAN))
    b.span = SPAN
    return b


def fill(b: Builder, slot: Slot) -> None:
    b.add(Fill(VOID, SPAN, b.addr(slot), slot.type.size))


def use(b: Builder, *addresses: Value) -> None:
    b.call("trace_printk", (*addresses, b.const(8)))


def meetings(b: Builder) -> dict[str, str]:
    """Return with which others each slot meets, by the last letters of their names."""
    verify(b.function, after="test")
    met = Life(b.function, Flow(b.function)).meetings()
    return {
        slot.name: "".join(sorted(other.name for other in others - {slot}))
        for slot, others in met.items()
    }


def test_one_after_the_other_do_not_meet() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    for slot in (first, second):
        fill(b, slot)
        use(b, b.addr(slot))
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "", "b": ""}


def test_what_is_needed_later_meets_what_comes_between() -> None:
    b = builder()
    first, second, third = (b.slot(name, ROOM) for name in "abc")
    fill(b, first)
    fill(b, second)
    use(b, b.addr(second))
    use(b, b.addr(first))
    fill(b, third)
    use(b, b.addr(third))
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "b", "b": "a", "c": ""}


def test_what_one_instruction_takes_meets() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    fill(b, first)
    b.add(nodes.Copy(VOID, SPAN, b.addr(second), b.addr(first), ROOM.size))
    use(b, b.addr(second))
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "b", "b": "a"}


def test_what_a_turn_leaves_to_the_next_meets_all_of_the_loop() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    head, end = b.new_block("head"), b.new_block("end")
    fill(b, first)
    b.jump(head)
    b.start(head)
    use(b, b.addr(first))
    fill(b, second)
    use(b, b.addr(second))
    turn = b.compare(nodes.CompareOp.EQ, b.call("ktime_get_ns", ()), b.const(0))
    b.branch(turn, head, end)
    b.start(end)
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "b", "b": "a"}
    life = Life(b.function, Flow(b.function))
    assert [life.crossing(block) for block in (head, end)] == [{first}, set()]


def test_an_address_in_a_variable_is_followed() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    kept = b.slot("p", Pointer(Space.STACK, ROOM))
    fill(b, first)
    b.write(kept, b.addr(first))
    fill(b, second)
    use(b, b.addr(second))
    use(b, b.read(kept))
    b.ret(b.const(0, I32))
    assert meetings(b)["a"] == "bp"


def test_an_address_in_a_frame_is_used_with_the_frame() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    frame = Frame("f", Array(U64, 1), SPAN)
    b.function.slots.append(frame)
    fill(b, first)
    b.store(b.addr(frame), b.addr(first))
    fill(b, second)
    use(b, b.addr(second))
    use(b, b.addr(frame))
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "bf", "b": "af", "f": "ab"}


def test_an_address_that_becomes_a_number_may_be_used_anywhere() -> None:
    b = builder()
    first, second = b.slot("a", ROOM), b.slot("b", ROOM)
    b.convert(b.addr(first), U64)
    fill(b, second)
    use(b, b.addr(second))
    b.ret(b.const(0, I32))
    assert meetings(b) == {"a": "b", "b": "a"}


def shared(b: Builder, stack: int = 512) -> list[str]:
    share_slots(b.function, Context(Target(None, FrozenFeatures(frozenset())), stack=stack))
    verify(b.function, after="share_slots")
    return [slot.name for slot in b.function.slots]


def one_after_the_other(*sizes: int) -> Builder:
    b = builder()
    for number, size in enumerate(sizes):
        slot = b.slot("abc"[number], Array(U64, size))
        fill(b, slot)
        use(b, b.addr(slot))
    b.ret(b.const(0, I32))
    return b


def test_room_is_shared_where_it_is_not_enough() -> None:
    assert shared(one_after_the_other(30, 40, 10)) == ["b"]
    assert shared(one_after_the_other(30, 20, 10)) == ["a", "b", "c"]
    assert shared(one_after_the_other(30, 20, 10), stack=256) == ["a"]


def test_a_variable_that_shares_room_is_read_and_written_there() -> None:
    b = one_after_the_other(70)
    number = b.slot("n", U64)
    b.block.instrs.pop()
    b.write(number, b.const(7))
    use(b, b.addr(number))
    b.ret(b.convert(b.read(number), I32))
    assert shared(b) == ["a"]
    assert not any(isinstance(i, nodes.ReadSlot | nodes.WriteSlot) for i in b.block.instrs)
