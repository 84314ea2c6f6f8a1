"""What is changed in LLVM's text after its passes."""

from __future__ import annotations

from pyebpf.ir.llvm.emit import DATA_LAYOUT, TRIPLE
from pyebpf.ir.llvm.mend import (
    in_each,
    null_tests_apart,
    offsets_apart,
    sources_apart,
    zeros_added,
)
from pyebpf.ir.llvm.object import _object, llvm

FUNCTION = """\
define i32 @f(ptr %p, i64 %n) {
  %1 = icmp eq ptr %p, null
  %10 = icmp eq i64 %n, 0
  %r = LINE
  ret i32 0
}
"""


def _mended(line: str) -> list[str]:
    return null_tests_apart(FUNCTION.replace("LINE", line)).splitlines()[3:-2]


def test_logic_takes_what_the_emitter_cannot_look_through() -> None:
    assert _mended("and i1 %10, %1") == [
        "  %apart.1.wide = zext i1 %1 to i64",
        '  %apart.1.kept = call i64 asm "", "=r,0"(i64 %apart.1.wide)',
        "  %apart.1 = icmp ne i64 %apart.1.kept, 0",
        "  %r = and i1 %10, %apart.1",
    ]
    assert _mended("select i1 %1, i1 true, i1 %10")[-1] == (
        "  %r = select i1 %apart.1, i1 true, i1 %10"
    )


def test_what_is_no_logic_stays() -> None:
    for line in ("select i1 %1, i32 5, i32 7", "and i1 %10, %10", "zext i1 %1 to i32"):
        assert _mended(line) == [f"  %r = {line}"]


def test_names_belong_to_their_function() -> None:
    other = "define i32 @g(i1 %1, i1 %2) {\n  %r = or i1 %1, %2\n  ret i32 0\n}\n"
    text = "\n" + FUNCTION.replace("LINE", "or i1 %1, %10") + other
    assert in_each(text, null_tests_apart).endswith(other)


WIDENED = """\
define i64 @f(i64 %a) {
entry:
  %s = trunc i64 %a to i32
  %z = zext nneg i32 %s to i64
  br i1 true, label %more, label %end
more:
  %s.1 = add i32 %s, 1
  br label %end
end:
  %r = phi i64 [ LAST, %more ], [ 0, %entry ]
  ret i64 %r
}
"""


def test_what_is_widened_is_another_number_in_later_blocks() -> None:
    lines = sources_apart(WIDENED.replace("LAST", "%z")).splitlines()
    assert lines[4] == "  %source.s = freeze i32 %s"
    assert lines[7] == "  %s.1 = add i32 %source.s, 1"
    assert len(lines) == len(WIDENED.splitlines()) + 1


NUMBERED = """\
define i64 @f(i64 %a) {
entry:
  %s = alloca [8 x i8], align 8
  %0 = trunc i64 %a to i32
  %1 = zext nneg i32 %0 to i64
  %2 = getelementptr inbounds i8, ptr %s, i64 %1
  store i8 1, ptr %2
  br i1 true, label %more, label %end
more:
  %3 = add i32 %0, 1
  br label %end
end:
  %r = phi i64 [ %1, %more ], [ 0, %entry ]
  ret i64 %r
}
"""


def test_what_has_a_number_instead_of_a_name() -> None:
    mended = offsets_apart(sources_apart(NUMBERED))
    assert "  %source.0 = freeze i32 %0\n" in mended
    assert "ptr %s, i64 %offset.2\n" in mended
    llvm.parse_assembly(mended, llvm.create_context()).verify()


def test_what_is_widened_in_one_block_only_stays() -> None:
    assert sources_apart(WIDENED.replace("LAST", "7")) == WIDENED.replace("LAST", "7")


#: Both a remainder and a quotient, for which LLVM freezes what they are of.
DIVIDED = """\
define i64 @f(ptr %p) {
entry:
  %a = load i64, ptr %p
  %t = trunc i64 %a to i16
  %s = sext i16 %t to i32
  %z = zext i32 %s to i64
  %c = icmp sgt i64 %a, 7
  br i1 %c, label %more, label %end
more:
  %q = udiv i32 %s, 8388607
  %m = urem i32 %s, 8388607
  %x = xor i32 %q, %m
  %w = zext i32 %x to i64
  %r = mul i64 %w, %z
  ret i64 %r
end:
  ret i64 %z
}
"""


def test_the_emitter_takes_what_is_divided() -> None:
    """Without the mend LLVM 22 ends the process here."""
    header = f'target triple = "{TRIPLE}"\ntarget datalayout = "{DATA_LAYOUT}"\n'
    assert _object(header + DIVIDED, "v3")[:4] == b"\x7fELF"


PLACED = """\
define i64 @f(ptr %p, i64 %x) {
  %s = alloca [8 x i8], align 8
  %1 = getelementptr inbounds nuw i8, ptr %s, i64 4, !dbg !3
  %2 = getelementptr inbounds i8, ptr %1, i64 %x, !dbg !3
  %3 = getelementptr inbounds nuw [2 x i32], ptr %s, i64 0, i64 %x
  %4 = getelementptr inbounds i8, ptr %p, i64 %x
  ret i64 0
}
"""


def test_offsets_into_the_stack_are_unknown() -> None:
    lines = offsets_apart(PLACED).splitlines()
    assert lines[3:8] == [
        '  %offset.2 = call i64 asm "", "=r,0"(i64 %x)',
        "  %2 = getelementptr inbounds i8, ptr %1, i64 %offset.2, !dbg !3",
        '  %offset.3 = call i64 asm "", "=r,0"(i64 %x)',
        "  %3 = getelementptr inbounds nuw [2 x i32], ptr %s, i64 0, i64 %offset.3",
        "  %4 = getelementptr inbounds i8, ptr %p, i64 %x",
    ]
    assert offsets_apart(DIVIDED) == DIVIDED


def test_a_zero_is_added_as_any_number() -> None:
    line = "  %1 = atomicrmw OP ptr %p, i64 0 monotonic, align 8"
    assert zeros_added(line.replace("OP", "or")) == line.replace("OP", "add")
    for other in ("i64 1 monotonic", "i64 0 seq_cst"):
        kept = line.replace("OP", "or").replace("i64 0 monotonic", other)
        assert zeros_added(kept) == kept
