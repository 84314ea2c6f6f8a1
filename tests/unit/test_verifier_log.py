"""Verifier logs: the reason, the instruction, the line of the source, and what to do."""

from __future__ import annotations

import re

import pytest

from pyebpf.btf import Btf
from pyebpf.diag import Span
from pyebpf.errors import VerifierError
from pyebpf.runtime.core_relocate import POISON_CALL, Poison
from pyebpf.runtime.relocate import LinkedProgram
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.runtime.verifier import explain, hint_for, parse_log
from pyebpf.runtime.verifier_hints import HINTS
from pyebpf.spec.objects import LineInfo

BEFORE_7_3 = """\
0: R1=ctx() R10=fp0
; begin = started.get(rq) @ tool.py:3
0: (79) r6 = *(u64 *)(r1 +0)          ; R1=ctx() R6_w=scalar()
; latency = now - begin @ tool.py:4
1: (95) exit
R0 !read_ok
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
SINCE_7_3 = (
    BEFORE_7_3.partition("processed")[0]
    + """\

Verification failed: Register Type Safety: Unreadable register

Reason:
  R0 has never been initialized on this path, so the verifier cannot use
  it as an input.

At:
  insn 1
        | ^-- error: R0 is not readable
  Instruction context:
      0 | (79) r6 = *(u64 *)(r1 +0)
  >>> 1 | (95) exit

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Initialize R0 on every path before this instruction.

processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""
)

LINES = (
    LineInfo(0, "tool.py", "    begin = started.get(rq)", 3, 13),
    LineInfo(1, "tool.py", "    latency = now - begin", 4, 0),
)


def program(*poisoned: Poison, lines: tuple[LineInfo, ...] = LINES) -> LinkedProgram:
    return LinkedProgram("on_done", b"", b"", b"", (), lines, poisoned)


def nothing() -> Btf:
    raise AssertionError("the kernel's types were looked at")


def refused(log: str, *poisoned: Poison, lines: tuple[LineInfo, ...] = LINES) -> VerifierError:
    return explain(program(*poisoned, lines=lines), log, CoreResolver(b"", nothing))


def test_the_form_before_linux_7_3() -> None:
    refusal = parse_log(BEFORE_7_3)
    assert (refusal.reason, refusal.insn, refusal.text) == ("R0 !read_ok", 1, "exit")
    assert refusal.suggestion == ""


def test_the_form_since_linux_7_3() -> None:
    refusal = parse_log(SINCE_7_3)
    assert refusal.reason == (
        "R0 has never been initialized on this path, so the verifier cannot use it as an input."
    )
    assert (refusal.insn, refusal.text) == (1, "exit")
    assert refusal.suggestion == "Initialize R0 on every path before this instruction."
    assert hint_for(refusal.raw) == hint_for(parse_log(BEFORE_7_3).raw) != ""


def test_a_report_alone_is_enough() -> None:
    report = "Verification failed:" + SINCE_7_3.partition("Verification failed:")[2]
    assert parse_log(report).insn == 1


def test_advice_of_the_kernel_is_used_where_we_have_none() -> None:
    log = SINCE_7_3.replace("R0 !read_ok", "something new").replace("R0 has never", "It has never")
    assert refused(log).hint == "Initialize R0 on every path before this instruction."


@pytest.mark.parametrize(
    ("log", "insn"),
    [
        ("back-edge from insn 7 to 3\nprocessed 0 insns", 7),
        ("unreachable insn 3\nprocessed 0 insns", 3),
        ("0: (b7) r0 = 0\ncombined stack size of 2 calls is 544. Too large\n", None),
        ("", None),
        ("processed 0 insns\n", None),
        ("12: (bf) r1 = r2\nmark_precise: frame0: last_idx 3\nR2 !read_ok\nprocessed 1 insns", 12),
        ("3: (85) call pc+4\ncaller:\n R10=fp0\n8: (95) exit\nR0 !read_ok\n", 8),
        ("8: (95) exit\nreturning from callee:\n R0=1\nto caller at 4:\n R0=1\nbad\n", 8),
    ],
)  # fmt: skip
def test_the_instruction_that_is_meant(log: str, insn: int | None) -> None:
    assert parse_log(log).insn == insn


def test_a_reason_behind_an_instruction_is_found() -> None:
    found = parse_log(
        "375: (79) r2 = *(u64 *)(r10 -8)\n376: (57) r2 &= 15 BPF program is too large. "
        "Processed 1000001 insn\nprocessed 1000001 insns (limit 1000000)\n"
    )
    assert found.reason == "BPF program is too large. Processed 1000001 insn"
    assert (found.insn, found.text) == (376, "r2 &= 15")


def test_the_message_shows_the_line_of_the_source() -> None:
    error = refused(BEFORE_7_3)
    assert str(error) == (
        "error[E0501]: the kernel refused `on_done`: R0 !read_ok\n"
        " --> tool.py:4:5\n"
        "  |\n"
        "4 |     latency = now - begin\n"
        "  |     ^^^^^^^^^^^^^^^^^^^^^ the verifier stopped here\n"
        "  |\n"
        f"  = help: {error.hint}\n"
        "  = note: instruction 1 of `on_done`: exit"
    )
    assert error.log == BEFORE_7_3
    assert isinstance(error.span, Span)
    assert (error.span.line, error.span.column) == (4, 4)


def test_a_column_of_the_debug_information_places_the_caret() -> None:
    error = refused("0: (79) r6 = *(u64 *)(r1 +0)\nR1 invalid mem access 'scalar'\n")
    assert "--> tool.py:3:13" in str(error)
    assert "|             ^^^^^^^^^^^^^^^ the" in str(error)


def test_without_debug_information_the_reason_is_still_said() -> None:
    error = refused(BEFORE_7_3, lines=())
    assert str(error).startswith("error[E0501]: the kernel refused `on_done`: R0 !read_ok")
    assert error.span is None


def test_braces_in_a_log_are_text() -> None:
    assert "odd {reason} {0}" in str(refused("0: (95) exit\nodd {reason} {0}\n"))


def test_a_poisoned_instruction_says_what_was_missing() -> None:
    log = f"1: (85) call unknown#{POISON_CALL}\ninvalid func unknown#{POISON_CALL}\n"
    error = refused(log, Poison(1, "`struct task.gone` is not in this kernel"))
    assert "`on_done`: `struct task.gone` is not in this kernel" in str(error)
    assert f"the kernel's words: invalid func unknown#{POISON_CALL}" in str(error)
    assert "test whether it exists" in (error.hint or "")


def test_the_hint_about_poison_has_the_right_number() -> None:
    assert re.search(HINTS[0].pattern, f"unknown#{POISON_CALL}")
