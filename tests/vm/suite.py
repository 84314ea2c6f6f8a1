"""The kernel tests on other kernels: one boot per row, and a summary of what ran and what did not.

The tests gate themselves by features; nothing here knows which test needs which kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from tests.vm import image, machine
from tests.vm.archive import VmError
from tests.vm.kernels import Row
from tests.vm.machine import Job

ROOT = Path(__file__).resolve().parents[2]
PYTHON = str(ROOT / ".venv/bin/python")
#: Emulated, all takes ten times as long; what is slow says nothing more about another kernel.
SELECTION = ("-m", "(kernel or tool) and not bench and not slow", "tests/kernel", "tests/tools",
             "tests/compile")  # fmt: skip
#: As many as the test machines have processors: one emulated process keeps one busy.
AT_ONCE = 2


class Outcome(NamedTuple):
    """What came of a row.

    Attributes:
        row: of the table.
        release: of the kernel that was booted; empty if none was.
        passed: how many tests did.
        failed: test and message of each that did not.
        skipped: how often each reason was given.
        seconds: the whole took, booting included.
        error: what else went wrong, with the machine or the run; empty if nothing did.
    """

    row: Row
    release: str = ""
    passed: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()
    seconds: float = 0
    error: str = ""

    @property
    def good(self) -> bool:
        """Tell whether tests ran, and nothing went wrong."""
        return bool(self.passed) and not self.failed and not self.error

    def lines(self) -> list[str]:
        """Say it: one line for the row, one for each failure and each reason of skips."""
        skipped = sum(count for _, count in self.skipped)
        mark = "" if self.good else "FAILED: "
        head = (
            f"{self.row.name:<6}{mark}Linux {self.release or '-'}: {self.passed} passed, "
            f"{len(self.failed)} failed, {skipped} skipped in {self.seconds:.0f} s"
        )
        return [
            head,
            *(f"      {self.error}" for _ in [0] if self.error),
            *(f"      FAILED {name}: {message}" for name, message in self.failed),
            *(f"      skipped {count}: {reason}" for reason, count in self.skipped),
        ]


def test(rows: Sequence[Row], arguments: Sequence[str], limit: float, page: Path | None) -> int:
    """Run the tests on each row; return 0 when all is well on all of them.

    Args:
        rows: two at a time.
        arguments: for pytest; without any, the tests that load programs into the kernel.
        limit: for each row, in seconds.
        page: where to write the table of what came of it, if at all.
    """
    _compile_tests(arguments or SELECTION)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(run, row, arguments, limit) for row in rows]
        try:
            outcomes = [future.result() for future in futures]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            machine.stop()
            raise
    print("== the kernel tests on other kernels", flush=True)
    for outcome in outcomes:
        print("\n".join(outcome.lines()), flush=True)
    if page is not None:
        page.write_text(render(outcomes), encoding="utf-8")
    return int(not all(outcome.good for outcome in outcomes))


def run(row: Row, arguments: Sequence[str], limit: float) -> Outcome:
    """Run the tests on one kernel; its output is shown as it comes, each line with the row."""
    show = Lines(row.name)
    with tempfile.TemporaryDirectory(prefix="pyebpf-vm-results-") as results:
        report = Path(results, "report.xml")
        options = ["-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}"]
        selection = arguments or SELECTION
        try:
            kernel = image.get(row)
            show.write(f"booting Linux {kernel.release}\n".encode())
            job = Job([PYTHON, "-m", "pytest", *options, *selection], ROOT, (Path(results),),
                      limit=limit, environment=_environment(row))  # fmt: skip
            result = machine.run(kernel, job, show, show)
        except VmError as err:
            return Outcome(row, error=str(err))
        return read(Outcome(row, kernel.release, seconds=result.seconds), report, result.code)


def _compile_tests(selection: Sequence[str]) -> None:
    """Leave byte code of package and tests beside them: emulated, that takes half a minute."""
    words = [PYTHON, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *selection]
    environment = {name: value for name, value in os.environ.items()
                   if name != "PYTHONDONTWRITEBYTECODE"}  # fmt: skip
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        raise VmError(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")


def _environment(row: Row) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYEBPF_TESTS_LACK": ",".join(row.lacks)}


def read(outcome: Outcome, report: Path, code: int) -> Outcome:
    """Complete an outcome from pytest's report and its exit status."""
    if not report.exists():
        return outcome._replace(error=f"pytest ended with {code} and no report")
    failed, skipped, passed = [], Counter[str](), 0
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        problems = [*case.iter("failure"), *case.iter("error")]
        failed += [(name, _first_line(p.get("message", ""))) for p in problems]
        reasons = [_first_line(p.get("message", "")) for p in case.iter("skipped")]
        skipped.update(reasons)
        passed += not problems and not reasons
    error = ""
    if code and not failed:
        error = f"pytest ended with {code}, though no test failed: see above"
    elif not passed:
        error = "no test passed"
    return outcome._replace(
        passed=passed, failed=tuple(failed), skipped=tuple(skipped.most_common()), error=error
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


class Lines:
    """A file of bytes that shows whole lines, each with a name in front of it."""

    _lock = threading.Lock()

    def __init__(self, name: str) -> None:
        self._name, self._rest = name, b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        with self._lock:
            for line in lines:
                sys.stdout.write(f"[{self._name}] {line.decode(errors='replace')}\n")
            sys.stdout.flush()

    def flush(self) -> None:
        """Do nothing: a line is shown when it is whole."""


PAGE = """\
# Kernels

What the tests of this repository that load programs say on the kernels of `tests/vm/kernels.py`:
stock Debian kernels, booted in an emulator. Written by `make kernels-page`.

| row | Linux | passed | failed | skipped |
|---|---|---|---|---|
{table}

## What is skipped, and why

{reasons}
"""


def render(outcomes: Sequence[Outcome]) -> str:
    """Return the page with what came of rows."""
    table = [
        f"| {o.row.name}: {o.row.why} | {o.release} | {o.passed} | {len(o.failed)} "
        f"| {sum(count for _, count in o.skipped)} |"
        for o in outcomes
    ]
    reasons = []
    for outcome in outcomes:
        reasons.append(f"### {outcome.row.name}\n")
        reasons += [f"- {count}: {reason}" for reason, count in outcome.skipped] or ["Nothing."]
        reasons.append("")
    return PAGE.format(table="\n".join(table), reasons="\n".join(reasons).strip())
