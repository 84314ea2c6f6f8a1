"""What came of the tests on one kernel, read from pytest's report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tests.vm.kernels import Row

#: Answer and reason by the name of a feature.
Answers = Mapping[str, tuple[str, str]]
#: How many files the summary names.
_SLOWEST = 12


class Outcome(NamedTuple):
    """What came of a row.

    Attributes:
        row: of the table.
        release: of the kernel that was booted; empty if none was.
        passed: how many tests did.
        failed: test and message of each that did not, twice.
        again: test and message of each that failed, and passed when it was tried once more.
        expected: how many failed as they are known to, on any kernel.
        skipped: how often each reason was given.
        seconds: the whole took, booting included.
        slowest: files and what their tests took, in seconds, the longest first.
        answers: of the kernel, by the name of a feature: ``yes``, ``no`` or ``unknown``, and why.
        error: what else went wrong, with the machine or the run; empty if nothing did.
    """

    row: Row
    release: str = ""
    passed: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    again: tuple[tuple[str, str], ...] = ()
    expected: int = 0
    skipped: tuple[tuple[str, int], ...] = ()
    seconds: float = 0
    slowest: tuple[tuple[str, float], ...] = ()
    answers: Answers = MappingProxyType({})
    error: str = ""

    @property
    def good(self) -> bool:
        """Tell whether tests ran, and nothing went wrong."""
        return bool(self.passed) and not self.failed and not self.error

    def lines(self) -> list[str]:
        """Say it: the row, each reason of skips, what took long; see `failures` for the rest."""
        skipped = sum(count for _, count in self.skipped)
        mark = "" if self.good else "FAILED: "
        head = (
            f"{self.row.name:<6}{mark}Linux {self.release or '-'}: {self.passed} passed, "
            f"{len(self.failed)} failed, {self.expected} known to fail, {skipped} skipped "
            f"in {self.seconds:.0f} s"
        )
        return [
            head,
            *(f"      skipped {count}: {reason}" for reason, count in self.skipped),
            *(f"      slowest: {self._slowest()}" for _ in [0] if self.slowest),
            *(f"      TRIED AGAIN {name}: {message}" for name, message in self.again),
        ]

    def failures(self) -> list[str]:
        """Say what went wrong, a line each, with the row."""
        problems = [f"{name}: {message}" for name, message in self.failed]
        problems += [self.error] if self.error else []
        return [f"FAILED on {self.row.name}: {problem}" for problem in problems]

    def _slowest(self) -> str:
        return ", ".join(f"{file} {took:.0f} s" for file, took in self.slowest)


def answers_of(path: Path) -> Answers:
    """Read what ``tests/vm/probe.py`` wrote; nothing if it was not asked."""
    if not path.exists():
        return {}
    found: Answers = json.loads(path.read_text(encoding="utf-8"))
    return found


def read(outcome: Outcome, report: Path, retried: Path, code: int) -> Outcome:
    """Complete an outcome from pytest's reports and its exit status.

    Args:
        outcome: of the row.
        report: of all tests.
        retried: of those that failed, tried once more; there is none if all passed.
        code: the exit status of what ran last.
    """
    if not report.exists():
        return outcome._replace(error=f"pytest ended with {code} and no report")
    failed, skipped, passed, expected = [], Counter[str](), 0, 0
    well_now = _passed(retried)
    took: dict[str, float] = {}
    for case in ET.parse(report).iter("testcase"):
        name = _name(case)
        file = name.partition("::")[0].rpartition("/")[2]
        took[file] = took.get(file, 0) + float(case.get("time", 0))
        problems = [*case.iter("failure"), *case.iter("error")]
        failed += [(name, _first_line(p.get("message", ""))) for p in problems]
        left_out = list(case.iter("skipped"))
        known = [item for item in left_out if item.get("type") == "pytest.xfail"]
        expected += len(known)
        skipped.update(_first_line(i.get("message", "")) for i in left_out if i not in known)
        passed += name in well_now or (not problems and not left_out)
    again = [test for test in failed if test[0] in well_now]
    failed = [test for test in failed if test[0] not in well_now]
    longest = sorted(took.items(), key=lambda item: -item[1])
    error = ""
    if code and not failed:
        error = f"pytest ended with {code}, though no test failed: see above"
    elif not passed:
        error = "no test passed"
    return outcome._replace(
        passed=passed, failed=tuple(failed), again=tuple(again), expected=expected,
        skipped=tuple(skipped.most_common()), slowest=tuple(longest[:_SLOWEST]),
        error=error,
    )  # fmt: skip


def _name(case: ET.Element) -> str:
    return f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"


def _passed(report: Path) -> set[str]:
    if not report.exists():
        return set()
    return {_name(case) for case in ET.parse(report).iter("testcase") if not len(case)}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
