"""What is changed in LLVM's text because BPF has a shorter form."""

from __future__ import annotations

from pyebpf.ir.llvm.object import llvm
from pyebpf.ir.llvm.shorten import (
    extremes_stored_if_new,
    high_bits_shifted,
    lone_guards_gone,
    repeated_stores_gone,
)

MASKED = """\
define i1 @f(i64 %x) {
  %1 = and i64 %x, -4294967296, !dbg !3
  %2 = icmp eq i64 %1, 4294967296, !dbg !3
  %3 = icmp ne i64 %1, -4294967296
  %4 = icmp eq i64 %1, 5
  %5 = and i64 %x, -16
  %6 = icmp eq i64 %5, 16
  ret i1 %2
}
"""


def test_the_upper_half_is_compared_after_a_shift() -> None:
    mended = high_bits_shifted(MASKED)
    assert mended.splitlines()[2:5] == [
        "  %high.1 = lshr i64 %x, 32",
        "  %2 = icmp eq i64 %high.1, 1, !dbg !3",
        "  %3 = icmp ne i64 %high.1, 4294967295",
    ]
    assert mended.splitlines()[5:] == MASKED.splitlines()[4:], "what fits an instruction stays"


GUARDED = """\
define void @f(ptr %p, ptr %q) {
entry:
  br i1 true, label %one, label %two
one:                                              ; preds = %entry
  %a = call ptr asm "", "=r,0"(ptr nonnull %p) #1, !dbg !3
  br label %end, !dbg !3
two:
  %b = call ptr asm "", "=r,0"(ptr %q)
  store i8 1, ptr %b
  br label %end
end:
  %r = phi ptr [ %a, %one ], [ %b, %two ]
  ret void
}
"""


def test_guards_with_a_block_of_their_own_go() -> None:
    mended = lone_guards_gone(GUARDED)
    assert mended == GUARDED.replace(GUARDED.splitlines()[4] + "\n", "").replace("[ %a,", "[ %p,")


EXTREMES = """\
define void @f(ptr %p, ptr %q, i64 %n) {
entry:
  %a = load i64, ptr %p, align 8
  %m = call i64 @llvm.umin.i64(i64 %n, i64 %a), !dbg !3
  store i64 %m, ptr %p, align 8, !dbg !3
  %b = load i64, ptr %q, align 8
  %x = call i64 @llvm.smax.i64(i64 %b, i64 7)
  BETWEEN
  store i64 %x, ptr %q, align 8
  br label %end
end:
  %r = phi i64 [ %m, %entry ]
  ret void
}
declare i64 @llvm.umin.i64(i64, i64)
declare i64 @llvm.smax.i64(i64, i64)
"""


def _valid(text: str) -> str:
    llvm.parse_assembly(text.replace(", !dbg !3", ""), llvm.create_context()).verify()
    return text


def test_an_extreme_is_stored_if_it_is_new() -> None:
    mended = _valid(extremes_stored_if_new(EXTREMES.replace("  BETWEEN\n", "")))
    assert mended.splitlines()[4:10] == [
        "  %new.0 = icmp ugt i64 %a, %n",
        "  br i1 %new.0, label %new.0.store, label %new.0.end",
        "new.0.store:",
        "  store i64 %n, ptr %p, align 8, !dbg !3",
        "  br label %new.0.end",
        "new.0.end:",
    ]
    assert "  %new.1 = icmp slt i64 %b, 7\n" in mended
    assert "  %r = phi i64 [ %m, %new.1.end ]\n" in mended


def test_what_may_have_changed_is_stored() -> None:
    atomic = "%u = atomicrmw add ptr %p, i64 1 monotonic"
    for between in ("store i64 0, ptr %p", "call void @g()", atomic):
        mended = extremes_stored_if_new(EXTREMES.replace("BETWEEN", between))
        assert "  store i64 %x, ptr %q, align 8\n" in mended
        assert "%new.0" in mended
        assert "%new.1" not in mended


#: A key that is stored for two calls; ``MORE`` is what happens between them.
TWICE = """\
define i32 @f(i32 %key, i32 %other) {
entry:
  %s0 = alloca i32, align 4
  store i32 %key, ptr %s0, align 4
  %found = call ptr inttoptr (i64 1 to ptr)(ptr @m, ptr nonnull readonly captures(none) %s0)
  %c = icmp eq ptr %found, null
  br i1 %c, label %one, label %two
one:
  MORE
  br label %two
two:
  store i32 %key, ptr %s0, align 4
  %gone = call i64 inttoptr (i64 3 to ptr)(ptr @m, ptr nonnull readonly captures(none) %s0)
  ret i32 0
}
"""


def stores(more: str) -> int:
    return repeated_stores_gone(TWICE.replace("MORE", more)).count("  store ")


def test_a_key_is_stored_once_for_two_calls() -> None:
    assert stores("%x = add i32 %key, 1") == 1


def test_it_is_stored_again_where_it_may_be_another() -> None:
    assert stores("store i32 %other, ptr %s0, align 4") == 3
    assert stores("%x = call i64 inttoptr (i64 4 to ptr)(ptr %s0)") == 2, "may write there"
    assert stores("%x = getelementptr i8, ptr %s0, i64 1") == 2, "may lead to a part of it"


def test_a_key_that_a_loop_makes_anew_is_stored_anew() -> None:
    text = """\
define i32 @f(i64 %n) {
entry:
  %s0 = alloca i64, align 8
  br label %turn
turn:
  %key = call i64 inttoptr (i64 5 to ptr)()
  store i64 %key, ptr %s0, align 8
  %a = call i64 inttoptr (i64 3 to ptr)(ptr @m, ptr nonnull readonly captures(none) %s0)
  store i64 %key, ptr %s0, align 8
  %b = call i64 inttoptr (i64 3 to ptr)(ptr @m, ptr nonnull readonly captures(none) %s0)
  %c = icmp eq i64 %b, 0
  br i1 %c, label %turn, label %end
end:
  ret i32 0
}
"""
    assert repeated_stores_gone(text).count("  store ") == 1
