"""What real verifiers said of wrong programs, kernel by kernel, and what we make of it.

``python -m tests.vm logs`` keeps the logs; ``messages.txt`` is what a user reads, a golden file.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyebpf.btf import Btf
from pyebpf.runtime.relocate import LinkedProgram
from pyebpf.runtime.resolver import CoreResolver
from pyebpf.runtime.verifier import explain, hint_for, parse_log
from pyebpf.runtime.verifier_hints import HINTS
from pyebpf.spec.objects import LineInfo

LOGS = Path(__file__).parents[1] / "data" / "verifier"
KERNELS = sorted(path.name for path in LOGS.iterdir())
#: Since this one a log ends with a report under headings.
REPORTS_SINCE = (7, 3)


def lines_of(kernel: str) -> dict[str, tuple[LineInfo, ...]]:
    kept = json.loads((LOGS / kernel / "lines.json").read_text())
    return {
        name: tuple(LineInfo(insn, "probe.py", text, line, column)
                    for insn, line, column, text in rows)
        for name, rows in kept.items()
    }  # fmt: skip


def log_of(kernel: str, name: str) -> str:
    return (LOGS / kernel / f"{name}.log").read_text()


def nothing() -> Btf:
    raise AssertionError("the kernel's types were looked at")


def message(kernel: str, name: str) -> str:
    lines = lines_of(kernel).get(name, ())
    program = LinkedProgram("probe", b"", b"", b"", (), lines, ())
    return str(explain(program, log_of(kernel, name), CoreResolver(b"", nothing)))


def test_both_forms_of_a_log_are_there() -> None:
    versions = [tuple(map(int, name.split("."))) for name in KERNELS]
    assert min(versions) < REPORTS_SINCE <= max(versions)
    for name, version in zip(KERNELS, versions, strict=True):
        reported = "Verification failed:" in log_of(name, "scalar")
        assert reported == (version >= REPORTS_SINCE)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("hint", HINTS, ids=lambda hint: hint.name)
def test_each_hint_is_for_a_log_that_this_kernel_printed(kernel: str, hint: object) -> None:
    name, text = hint.name, hint.help  # type: ignore[attr-defined]
    refusal = parse_log(log_of(kernel, name))
    assert hint_for(refusal.raw) == text
    assert refusal.insn is not None


@pytest.mark.parametrize("kernel", KERNELS)
def test_there_is_no_log_without_a_hint_or_lines(kernel: str) -> None:
    names = {path.stem for path in (LOGS / kernel).glob("*.log")}
    assert names == {hint.name for hint in HINTS} | lines_of(kernel).keys()


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_a_user_reads(kernel: str, update_golden: bool) -> None:
    names = sorted(path.stem for path in (LOGS / kernel).glob("*.log"))
    text = "".join(f"== {name}\n{message(kernel, name)}\n\n" for name in names)
    golden = LOGS / kernel / "messages.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), "make golden rewrites it: read the difference"
