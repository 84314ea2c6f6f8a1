"""What the verifier knows, from logs of old and new kernels; lines, IR and instructions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pyebpf import Hash, Ptr, compile_probes, ktime_get_ns, tp_btf, u64
from pyebpf.cli import main
from pyebpf.inspection import (
    Section,
    inspect_subject,
    states_of,
    subject_of_file,
    subject_of_probes,
)
from pyebpf.inspection.values import Values
from pyebpf.kernel import request
from tests import frozen

NEW = """\
func#0 @0
0: R1=ctx() R10=fp0
; def probe() -> int: @ probe.py:3
0: (85) call bpf_get_current_pid_tgid#14      ; R0=scalar()
1: (77) r0 >>= 32      ; R0=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))
2: (63) *(u32 *)(r10 -4) = r0         ; R10=fp0 fp-8=mmmm????
3: (15) if r0 == 0x5 goto pc+2
mark_precise: frame0: last_idx 3 first_idx 0 subseq_idx -1
4: R0=scalar(umin=6)
4: (b7) r6 = 1                        ; R6=1
5: (05) goto pc+1
7: (95) exit

from 3 to 6: R0=5 R10=fp0 fp-8=mmmm????
6: (b7) r6 = 2                        ; R6=2
7: (95) exit
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 1
"""

OLD = """\
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
; def probe() -> int:
0: (85) call bpf_get_current_pid_tgid#14
1: R0_w=inv(id=0) R10=fp0
1: (77) r0 >>= 32
2: R0_w=inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff)) R10=fp0
2: (63) *(u32 *)(r10 -4) = r0
3: R0_w=inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=mmmm????
3: (15) if r0 == 0x5 goto pc+2
 R0=inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff)) R10=fp0 fp-8=mmmm????
4: R0=inv(id=0,umin_value=6) R10=fp0 fp-8=mmmm????
4: (b7) r6 = 1
5: R0=inv(id=0,umin_value=6) R6_w=inv1 R10=fp0 fp-8=mmmm????
5: (05) goto pc+1
7: R0=inv(id=0,umin_value=6) R6=inv1 R10=fp0 fp-8=mmmm????
7: (95) exit

from 3 to 6: R0=inv5 R10=fp0 fp-8=mmmm????
6: R0=inv5 R10=fp0 fp-8=mmmm????
6: (b7) r6 = 2
7: R0=inv5 R6_w=inv2 R10=fp0 fp-8=mmmm????
7: (95) exit
processed 9 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1 mark_read 1
"""


@pytest.mark.parametrize(
    ("log", "scalar", "most", "five"),
    [
        (NEW, "scalar()", "scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))", "2"),
        (OLD, "inv(id=0)", "inv(id=0,umax_value=4294967295,var_off=(0x0; 0xffffffff))", "inv2"),
    ],
)
def test_states_after_each_instruction(log: str, scalar: str, most: str, five: str) -> None:
    found = states_of(log)
    assert list(found) == [0, 1, 2, 3, 4, 5, 7, 6]
    assert dict(found[0].changed)["R0"] == scalar
    assert found[1].changed == (("R0", most),)
    assert dict(found[2].changed) == {"fp-8": "mmmm????"}
    assert dict(found[3].changed)["R0"] in ("scalar(umin=6)", "inv(id=0,umin_value=6)")
    assert dict(found[4].changed)["R6"] in ("1", "inv1")
    assert found[5].changed == ()
    assert dict(found[6].changed) == {"R6": five}
    assert dict(found[6].known)["R0"] in ("5", "inv5")
    assert (found[7].visits, found[4].visits) == (2, 1)
    assert "R1" not in dict(found[0].known)  # the call has left nothing in it


def test_states_in_a_function_that_is_called() -> None:
    log = """\
0: R1=ctx() R10=fp0
0: (b7) r6 = 7                        ; R6=7
1: (85) call pc+2
caller:
 R6=7 R10=fp0
callee:
 frame1: R1=ctx() R10=fp0
4: frame1: R1=ctx() R10=fp0
4: (b7) r6 = 8                        ; frame1: R6=8
5: (b7) r0 = 0                        ; frame1: R0=0
6: (95) exit
returning from callee:
 frame1: R0=0 R6=8 R10=fp0
to caller at 2:
 R0=0 R6=7 R10=fp0
2: R0=0 R6=7 R10=fp0
2: (bf) r0 = r6                       ; R0=7 R6=7
3: (95) exit
"""
    found = states_of(log)
    assert dict(found[4].changed) == {"R6": "8"}
    assert dict(found[4].known) == {"R1": "ctx()", "R10": "fp0", "R6": "8"}
    assert found[2].changed == (("R0", "7"),)


def test_what_a_register_holds() -> None:
    values = Values()
    followed = [
        "call bpf_ktime_get_ns#5", "r6 = r0", "*(u64 *)(r10 -8) = r6", "if r6 == 0x0 goto pc+4",
        "r7 = *(u64 *)(r10 -8)", "r7 += -8", "r8 = 5", "r8 += r7", "call bpf_loop#181", "r1 = r8",
    ]  # fmt: skip
    reads = [values.follow(number, text) for number, text in enumerate(followed)]
    assert reads == [
        (), ((0, 0),), ((6, 0),), ((6, 0),), (), ((7, 0),), (), ((7, 0),), (), (),
    ]  # fmt: skip
    values.turn(3)
    assert values.follow(8, "r0 = r7") == ()  # it was set on the other way only
    assert values.follow(9, "r0 = r6") == ((6, 0),)


started = Hash[Ptr[request], u64](max_entries=10_240)


@tp_btf("block_rq_issue")
def issue(rq: Ptr[request]) -> None:
    begin = ktime_get_ns()
    started[rq] = begin


@tp_btf("block_rq_complete")
def complete(rq: Ptr[request]) -> None:
    if False:
        started[rq] = 7


def inspected(**how: object) -> list[Section]:
    subject = subject_of_probes(issue, complete, target=frozen.target())
    return list(inspect_subject(subject, verify=False, **how))  # type: ignore[arg-type]


def test_lines_ir_and_instructions_belong_together() -> None:
    first, second = inspected()
    assert (first.name, first.hook) == ("issue", "tp_btf/block_rq_issue")
    chunk = next(c for c in first.chunks if c.text.strip() == "begin = ktime_get_ns()")
    assert chunk.file == __file__
    assert "helper ktime_get_ns" in chunk.ir[0]
    assert [row.text.partition(") ")[2] for row in chunk.rows] == ["call bpf_ktime_get_ns#5"]
    rows = [row for chunk in first.chunks for row in chunk.rows]
    assert [row.number for row in rows] == sorted({row.number for row in rows})
    assert any(row.text.endswith("r1 = map[started]") for row in rows)
    assert all(row.state is None for row in rows)
    assert (first.refusal, first.untold, first.culprit) == ("", "", None)
    assert second.name == "complete"


def test_each_ir_instruction_is_shown_once() -> None:
    (section,) = inspected(only=["issue"])
    shown = [text for chunk in section.chunks for text in chunk.ir]
    assert len(shown) == len(set(shown))
    assert shown[0].startswith("entry:")


def test_an_object_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "probe.o"
    file.write_bytes(compile_probes(issue, target=frozen.target()).object)
    subject = subject_of_file(str(file))
    assert subject is not None
    (section,) = inspect_subject(subject, verify=False)
    assert all(chunk.ir == () for chunk in section.chunks)
    assert any(chunk.text.strip() == "started[rq] = begin" for chunk in section.chunks)
    assert main(["inspect", str(file), "-D", "x=1"]) == 2
    assert "-D is for programs in Python" in capsys.readouterr().err


def test_colours_are_for_those_who_want_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "probe.o"
    file.write_bytes(compile_probes(issue, target=frozen.target()).object)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    words = ["inspect", str(file), "-w", "source,bpf"]
    assert main(words) == 0
    coloured = capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(words) == 0
    plain = capsys.readouterr().out
    assert "\x1b[" not in plain
    assert "\x1b[1missue: tp_btf/block_rq_issue" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "inspect takes one PROGRAM or OBJECT"),
        (["x.py", "y.py"], 2, "inspect takes one PROGRAM or OBJECT"),
        (["x.py", "-w", "sourse"], 2, "there is nothing called 'sourse'; did you mean `source`?"),
        (["no/such.py"], 1, "no/such.py: No such file or directory"),
    ],
)
def test_wrong_words(
    words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", *words]) == code
    assert said in capsys.readouterr().err


def test_a_damaged_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "probe.o"
    file.write_bytes(b"\x7fELF" + bytes(100))
    assert main(["inspect", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"pyebpf: {file}: ")
