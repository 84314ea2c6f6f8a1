"""Each pass on functions made by hand; what it leaves is compared as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.diag import Source, Span
from pyebpf.errors import InternalError
from pyebpf.ir import nodes, passes
from pyebpf.ir.build import Builder
from pyebpf.ir.context import Context
from pyebpf.ir.legal import verify
from pyebpf.ir.nodes import BinaryOp, CompareOp, Function, Param
from pyebpf.ir.passes import CODE_PIPELINE, PIPELINE, run_pipeline
from pyebpf.ir.passes.const_fold import binary, fold_constants, wrap
from pyebpf.ir.passes.dead_code import drop_dead_code
from pyebpf.ir.passes.kernel_access import choose_kernel_access
from pyebpf.ir.passes.stack_slots import StackTooLarge, check_stack_slots
from pyebpf.ir.text import function_text, instruction_text, map_text
from pyebpf.ir.types import BOOL, I32, U8, U32, U64, VOID, Pointer, Space
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.target import FrozenFeatures, Target
from pyebpf.spec.types import I8, I64, Chars, Int

SPAN = Span(Source("a.py", "x = 1\n"), 1, 0, 1, 5)
READERS = FrozenFeatures(frozenset({"helper:probe_read_kernel", "helper:probe_read_user"}))
INTS = st.sampled_from([Int(bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False)])


def context(features: FrozenFeatures = READERS) -> Context:
    return Context(Target(None, features))


def function() -> Builder:
    param = Param(Pointer(Space.CTX), SPAN, "ctx")
    b = Builder(Function("probe", "tp_btf/x", (param,), I32, [], [], SPAN))
    b.span = SPAN
    return b


def text_of(b: Builder) -> str:
    verify(b.function, after="test")
    return function_text(b.function)


def body_of(b: Builder) -> list[str]:
    return [line.strip() for line in text_of(b).splitlines()[1:-1]]


def test_constants_are_folded_through_branches() -> None:
    b = function()
    total = b.binary(BinaryOp.MUL, b.const(6), b.const(7))
    small = b.compare(CompareOp.LT, b.convert(total, I8), b.const(40, I8))
    then, other = b.new_block("then"), b.new_block("other")
    b.branch(b.add(nodes.Not(BOOL, SPAN, small)), then, other)
    b.start(then)
    chosen = b.add(nodes.Select(U64, SPAN, small, b.const(1), total))
    b.ret(b.convert(chosen, I32))
    b.start(other)
    b.call("ktime_get_ns", ())
    b.ret(b.const(0, I32))
    fold_constants(b.function, context())
    assert body_of(b) == ["entry:", "jump then1", "then1:", "return 42:i32"]


def test_division_by_zero_is_left_alone() -> None:
    b = function()
    b.ret(b.convert(b.binary(BinaryOp.FLOORDIV, b.const(6), b.const(0)), I32))
    fold_constants(b.function, context())
    assert "%0: u64 = floordiv 6:u64, 0:u64" in body_of(b)


@given(st.data(), INTS, st.sampled_from(BinaryOp))
def test_folding_is_python_wrapped(data: st.DataObject, kind: Int, op: BinaryOp) -> None:
    left, right = (data.draw(st.integers(kind.low, kind.high)) for _ in range(2))
    made = binary(op, kind, left, right)
    if op in (BinaryOp.FLOORDIV, BinaryOp.MOD) and right == 0:
        assert made is None
        return
    assert made is not None
    if op in (BinaryOp.SHL, BinaryOp.SHR):
        count = right if 0 <= right < kind.bits else kind.bits
        exact = left * 2**count if op is BinaryOp.SHL else left // 2**count
    else:
        signs = {"floordiv": "//", "mod": "%", "add": "+", "sub": "-", "mul": "*"}
        signs |= {"and": "&", "or": "|", "xor": "^"}
        exact = eval(f"({left}) {signs[op.value]} ({right})")
    assert wrap(kind, made) == kind.wrap(exact)


def test_dead_code_goes_with_its_slots() -> None:
    b = function()
    unread, read = b.slot("unread", U64), b.slot("read", U64)
    now = b.call("ktime_get_ns", ())
    b.write(unread, b.binary(BinaryOp.ADD, now, b.const(1)))
    b.write(read, now)
    b.binary(BinaryOp.MUL, now, now)
    b.ret(b.convert(b.read(read), I32))
    unreachable = b.new_block("lost")
    b.start(unreachable)
    b.ret(b.const(1, I32))
    drop_dead_code(b.function, context())
    assert body_of(b) == [
        "slot $read: u64",
        "entry:",
        "%0: u64 = helper ktime_get_ns, ()",
        "write $read, %0",
        "%1: u64 = read $read",
        "%2: i32 = convert %1",
        "return %2",
    ]


def kernel_load(space: Space, features: FrozenFeatures = READERS) -> list[str]:
    b = function()
    pointer = b.call("get_current_task", (), Pointer(space))
    total = b.const(0, U32)
    for _ in range(2):
        total = b.binary(BinaryOp.ADD, total, b.add(nodes.KernelLoad(U32, SPAN, pointer)))
    b.ret(b.convert(total, I32))
    choose_kernel_access(b.function, context(features))
    verify(b.function, after="kernel_access")
    return body_of(b)


def test_trusted_pointers_are_loaded_through() -> None:
    assert kernel_load(Space.BTF)[1:3] == [
        "%0: btf* bytes = helper get_current_task, ()",
        "%1: u32 = load %0",
    ]


@pytest.mark.parametrize(
    ("space", "features", "helper"),
    [
        (Space.KERNEL, READERS, "probe_read_kernel"),
        (Space.USER, READERS, "probe_read_user"),
        (Space.KERNEL, FrozenFeatures(), "probe_read"),
        (Space.USER, FrozenFeatures(), "probe_read"),
    ],
)
def test_other_pointers_are_read_by_a_helper(
    space: Space, features: FrozenFeatures, helper: str
) -> None:
    lines = kernel_load(space, features)
    assert lines[0] == "slot $read: u32", "one slot serves both reads"
    assert lines[1] != "slot"
    assert lines[3:6] == [
        "%1: stack* u32 = address $read",
        f"%2: i64 = helper {helper}, (%1, 4:u32, %0)",
        "%3: u32 = read $read",
    ]


def test_a_loop_may_use_a_kernel_load_of_a_later_block() -> None:
    b = function()
    pointer = b.call("get_current_task", (), Pointer(Space.BTF))
    use, load = b.new_block("use"), b.new_block("load")
    b.jump(load)
    b.start(use)
    loaded = nodes.KernelLoad(U64, SPAN, pointer)
    b.ret(b.convert(loaded, I32))
    b.start(load)
    b.add(loaded)
    b.jump(use)
    choose_kernel_access(b.function, context())
    verify(b.function, after="kernel_access")


def test_the_stack_holds_512_bytes() -> None:
    b = function()
    for name, size in (("small", 100), ("large", 300), ("other", 104)):
        b.addr(b.slot(name, Chars(size)))
    b.slot("free", U64)  # in a register
    b.ret(b.const(0, I32))
    fine = context()
    check_stack_slots(b.function, fine)
    assert not fine.diagnostics.has_errors()
    b.function.slots[0].type = Chars(105)
    full = context()
    check_stack_slots(b.function, full)
    (item,) = full.diagnostics.items
    assert isinstance(item, StackTooLarge)
    assert (item.total, item.what, item.size) == (520, "`large`", 300)


def test_every_pass_is_in_the_table() -> None:
    files = {p.stem for p in Path(passes.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {step.name for step in (*PIPELINE, *CODE_PIPELINE)}


def test_a_pass_that_breaks_the_function_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(fn: Function, _: Context) -> bool:
        fn.blocks[0].instrs.pop()
        return True

    monkeypatch.setattr(passes, "PIPELINE", (passes.Pass("clumsy", breaks),))
    b = function()
    b.ret(b.const(0, I32))
    with pytest.raises(InternalError, match="after pass clumsy: probe, block entry"):
        run_pipeline(b.function, context())


def test_passes_after_an_error_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def second(_: Function, __: Context) -> bool:
        ran.append("second")
        return False

    stages = (passes.Pass("stack_slots", check_stack_slots), passes.Pass("second", second))
    monkeypatch.setattr(passes, "PIPELINE", stages)
    b = function()
    b.addr(b.slot("large", Chars(600)))
    b.ret(b.const(0, I32))
    run_pipeline(b.function, context())
    assert ran == []


def test_dump_after_a_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYEBPF_DUMP", "dead_code")
    b = function()
    b.ret(b.const(3, I32))
    run_pipeline(b.function, context())
    assert capsys.readouterr().err == (
        "; after dead_code\n"
        'fn probe(%ctx: ctx* bytes) -> i32 section "tp_btf/x" {\n'
        "entry:\n"
        "  return 3:i32  ; 1:1\n"
        "}\n\n"
    )


GOLDEN = """\
fn probe(%ctx: ctx* bytes) -> i32 section "tp_btf/x" {
  slot $key: u64
  slot $key.2: u32
entry:
  %0: btf* bytes = ctx_load %ctx, 8, 8
  %1: u64 = convert %0
  write $key, %1
  %2: handle* bytes = map seen
  %3: stack* u64 = address $key
  %4: map*? u8 = helper map_lookup_elem, (%2, %3)
  %5: bool = ne %4, 0:map*? u8
  branch %5, hit1, out2
hit1:
  %6: map* u8 = element %4, 3:u64, 1, 8
  store %6, 1:u8
  write $key.2, 0:u32
  jump out2
out2:
  return 0:i32
}
"""


def test_text_of_a_function() -> None:
    b = function()
    spec = MapSpec("seen", "hash", 8, 8, 10, key=U64)
    task = b.add(nodes.CtxLoad(Pointer(Space.BTF), SPAN, b.function.params[0], 8, 8))
    key, other = b.slot("key", U64), b.slot("key", U32)
    b.write(key, b.convert(task, U64))
    kind = Pointer(Space.MAP, U8, nullable=True)
    found = b.call("map_lookup_elem", (b.map(spec), b.addr(key)), kind)
    hit, out = b.new_block("hit"), b.new_block("out")
    b.branch(b.compare(CompareOp.NE, found, b.const(0, kind)), hit, out)
    b.start(hit)
    at = b.add(nodes.Element(Pointer(Space.MAP, U8), SPAN, found, b.const(3), 1, 8))
    b.store(at, b.const(1, U8))
    b.write(other, b.const(0, U32))
    b.jump(out)
    b.start(out)
    b.ret(b.const(0, I32))
    assert text_of(b) == GOLDEN
    assert map_text(spec) == "map seen: hash u64 -> 8 bytes max 10"


def test_text_of_an_instruction_alone() -> None:
    b = function()
    assert instruction_text(b.binary(BinaryOp.ADD, b.const(1), b.const(2))) == "add 1:u64, 2:u64"
    assert instruction_text(nodes.Return(VOID, SPAN, None)) == "return"
    assert instruction_text(b.const(1, BOOL)) == "true"
    assert instruction_text(b.call("ktime_get_ns", (), I64)) == "helper ktime_get_ns, ()"
