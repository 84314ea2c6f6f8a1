"""The check of the IR names the pass, the block and the instruction of every fault."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyebpf.diag import Source, Span
from pyebpf.errors import InternalError
from pyebpf.ir import nodes
from pyebpf.ir.build import Builder
from pyebpf.ir.legal import check_leftovers, verify
from pyebpf.ir.nodes import BinaryOp, Block, CompareOp, Const, Function, Param, Slot
from pyebpf.ir.types import BOOL, I32, U32, U64, VOID, Pointer, Space
from pyebpf.spec.types import Chars

SPAN = Span(Source("a.py", "x = 1\n"), 1, 0, 1, 5)
MAYBE = Pointer(Space.MAP, U64, nullable=True)
SURE = Pointer(Space.MAP, U64)


def function() -> Builder:
    context = Param(Pointer(Space.CTX), SPAN, "ctx")
    return Builder(Function("probe", "tp_btf/x", (context,), I32, [], [], SPAN))


def finish(b: Builder) -> Function:
    if not b.done:
        b.ret(b.const(0, I32))
    return b.function


def found(b: Builder) -> nodes.Value:
    return b.call("map_lookup_elem", (), MAYBE)


def not_null(b: Builder, pointer: nodes.Value) -> nodes.Value:
    return b.compare(CompareOp.NE, pointer, b.const(0, pointer.type))


def no_terminator(b: Builder) -> None:
    b.function.blocks.append(Block("loose"))
    b.jump(b.function.blocks[-1])


def terminator_inside(b: Builder) -> None:
    b.block.instrs = [nodes.Return(VOID, SPAN, b.const(0, I32))] * 2


def other_functions_block(b: Builder) -> None:
    b.jump(Block("elsewhere"))


def used_before_computed(b: Builder) -> None:
    late = nodes.Binary(U64, SPAN, BinaryOp.ADD, b.const(1), b.const(2))
    b.binary(BinaryOp.ADD, late, b.const(1))
    b.add(late)


def used_in_other_branch(b: Builder) -> None:
    then, other = b.new_block("then"), b.new_block("other")
    b.branch(b.const(1, BOOL), then, other)
    b.start(then)
    value = b.call("ktime_get_ns", ())
    b.ret(b.const(0, I32))
    b.start(other)
    b.binary(BinaryOp.ADD, value, b.const(1))


def twice(b: Builder) -> None:
    b.add(b.call("ktime_get_ns", ()))


def foreign_slot(b: Builder) -> None:
    b.read(Slot("stranger", U64))


def foreign_param(b: Builder) -> None:
    b.binary(BinaryOp.ADD, Param(U64, SPAN, "other"), b.const(1))


def mixed_widths(b: Builder) -> None:
    b.binary(BinaryOp.ADD, b.const(1), b.const(1, U32))


def arithmetic_on_pointers(b: Builder) -> None:
    b.binary(BinaryOp.ADD, b.function.params[0], b.function.params[0])


def ordered_pointers(b: Builder) -> None:
    b.compare(CompareOp.LT, b.function.params[0], b.function.params[0])


def number_as_condition(b: Builder) -> None:
    b.branch(b.const(1), b.new_block("a"), b.new_block("b"))
    b.function.blocks += [b.block.instrs[-1].then, b.block.instrs[-1].other]  # type: ignore[attr-defined]
    for block in b.function.blocks[1:]:
        block.instrs = [nodes.Return(VOID, SPAN, Const(I32, SPAN, 0))]


def wrong_slot_type(b: Builder) -> None:
    b.write(b.slot("n", U32), b.const(1))


def text_in_a_register(b: Builder) -> None:
    b.read(b.slot("name", Chars(16)))


def wrong_result(b: Builder) -> None:
    b.ret(b.const(0))


def load_from_a_number(b: Builder) -> None:
    b.load(b.const(1), U64)


def six_arguments(b: Builder) -> None:
    b.call("trace_printk", tuple(b.const(i) for i in range(6)))


def odd_context_load(b: Builder) -> None:
    b.add(nodes.CtxLoad(U32, SPAN, b.function.params[0], 6, 4))


def fill_past_the_slot(b: Builder) -> None:
    b.add(nodes.Fill(VOID, SPAN, b.addr(b.slot("name", Chars(16))), 17))


def bounded_boolean(b: Builder) -> None:
    b.add(nodes.Bounded(BOOL, SPAN, b.const(1, BOOL), 1))


def atomic_byte(b: Builder) -> None:
    b.add(nodes.AtomicRmw(VOID, SPAN, nodes.RmwOp.ADD, b.const(0, SURE), b.const(1, BOOL)))


def untested(b: Builder) -> None:
    b.load(found(b), U64)


def wrongly_tested(b: Builder) -> None:
    pointer = found(b)
    null, rest = b.new_block("null"), b.new_block("rest")
    b.branch(not_null(b, pointer), rest, null)
    b.start(null)
    b.load(pointer, U64)
    b.ret(b.const(0, I32))
    b.start(rest)


def partly_tested(b: Builder) -> None:
    pointer = found(b)
    hit, join = b.new_block("hit"), b.new_block("join")
    b.branch(not_null(b, pointer), hit, join)
    b.start(hit)
    b.jump(join)
    b.start(join)
    b.load(pointer, U64)


def narrowed_untested(b: Builder) -> None:
    b.convert(found(b), SURE)


def slot_written_after_the_test(b: Builder) -> None:
    slot = b.slot("p", MAYBE)
    b.write(slot, found(b))
    hit, out = b.new_block("hit"), b.new_block("out")
    b.branch(not_null(b, b.read(slot)), hit, out)
    b.start(hit)
    b.write(slot, found(b))
    b.load(b.read(slot), U64)
    b.jump(out)
    b.start(out)


FAULTS: dict[Callable[[Builder], None], str] = {
    no_terminator: "does not end in a terminator",
    terminator_inside: "terminator in the middle",
    other_functions_block: "no block elsewhere here",
    used_before_computed: "before it is computed",
    used_in_other_branch: "before it is computed",
    twice: "stands in the function twice",
    foreign_slot: "slot stranger is not of this function",
    foreign_param: "before it is computed",
    mixed_widths: "operands u64 and u32 of a u64",
    arithmetic_on_pointers: "no arithmetic on ctx",
    ordered_pointers: "has no order",
    number_as_condition: "branches on u64",
    wrong_slot_type: "u64 does not fit a slot of u32",
    text_in_a_register: "take the slot's address",
    wrong_result: "returns u64, declared i32",
    load_from_a_number: "u64 is no pointer",
    six_arguments: "at most 5 arguments",
    odd_context_load: "cannot load 4 bytes at 6",
    fill_past_the_slot: "17 bytes in a slot of 16",
    bounded_boolean: "takes and gives an unsigned number",
    atomic_byte: "nothing is atomic with bool",
    untested: "no test against null",
    wrongly_tested: "no test against null",
    partly_tested: "no test against null",
    narrowed_untested: "no test against null",
    slot_written_after_the_test: "no test against null",
}


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_faults_are_named(make: Callable[[Builder], None]) -> None:
    b = function()
    make(b)
    with pytest.raises(InternalError, match="after pass some_pass: probe, block ") as caught:
        verify(finish(b), after="some_pass")
    assert FAULTS[make] in str(caught.value)


def guarded_value(b: Builder) -> None:
    pointer = found(b)
    hit, out = b.new_block("hit"), b.new_block("out")
    b.branch(not_null(b, pointer), hit, out)
    b.start(hit)
    b.load(pointer, U64)
    b.load(b.convert(pointer, SURE), U64)
    b.jump(out)
    b.start(out)


def guarded_by_negation(b: Builder) -> None:
    pointer = found(b)
    is_null = b.compare(CompareOp.EQ, b.const(0, MAYBE), pointer)
    hit, out = b.new_block("hit"), b.new_block("out")
    b.branch(b.add(nodes.Not(BOOL, SPAN, is_null)), hit, out)
    b.start(hit)
    b.load(pointer, U64)
    b.jump(out)
    b.start(out)


def guarded_through_a_slot(b: Builder) -> None:
    slot = b.slot("p", MAYBE)
    pointer = found(b)
    b.write(slot, pointer)
    hit, out = b.new_block("hit"), b.new_block("out")
    b.branch(not_null(b, b.read(slot)), hit, out)
    b.start(hit)
    b.load(b.read(slot), U64)
    b.load(pointer, U64)
    b.jump(out)
    b.start(out)


def guarded_before_a_loop(b: Builder) -> None:
    pointer = found(b)
    count = b.slot("i", U64)
    b.write(count, b.const(0))
    loop, body, out = b.new_block("loop"), b.new_block("body"), b.new_block("out")
    b.branch(not_null(b, pointer), loop, out)
    b.start(loop)
    b.branch(b.compare(CompareOp.LT, b.read(count), b.const(3)), body, out)
    b.start(body)
    b.write(count, b.binary(BinaryOp.ADD, b.read(count), b.load(pointer, U64)))
    b.jump(loop)
    b.start(out)


@pytest.mark.parametrize(
    "make", [guarded_value, guarded_by_negation, guarded_through_a_slot, guarded_before_a_loop]
)
def test_guarded_pointers_may_be_used(make: Callable[[Builder], None]) -> None:
    b = function()
    make(b)
    verify(finish(b), after="some_pass")


def test_a_pointer_looked_up_again_in_a_loop_needs_a_new_test() -> None:
    b = function()
    loop, body, out = b.new_block("loop"), b.new_block("body"), b.new_block("out")
    b.jump(loop)
    b.start(loop)
    pointer = found(b)
    b.branch(not_null(b, pointer), body, out)
    b.start(body)
    again = b.new_block("again")
    b.branch(b.compare(CompareOp.EQ, b.load(pointer, U64), b.const(1)), loop, again)
    b.start(again)
    b.jump(out)
    b.start(out)
    verify(finish(b), after="some_pass")
    loop.instrs.insert(1, nodes.Load(U64, SPAN, pointer))
    with pytest.raises(InternalError, match="no test against null"):
        verify(b.function, after="some_pass")


def test_what_a_pass_should_have_replaced() -> None:
    b = function()
    kernel = b.call("get_current_task", (), Pointer(Space.KERNEL))
    b.add(nodes.KernelLoad(U64, SPAN, kernel))
    verify(finish(b), after="const_fold")
    check_leftovers(b.function, after="const_fold")
    with pytest.raises(InternalError, match="should have replaced it"):
        check_leftovers(b.function, after="kernel_access")
