"""What is changed in LLVM's text after its passes."""

from __future__ import annotations

from pyebpf.ir.llvm.mend import null_tests_apart

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
    text = FUNCTION.replace("LINE", "or i1 %1, %10") + other
    assert null_tests_apart(text).endswith(other)
