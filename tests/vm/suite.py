"""The kernel tests on other kernels: one boot per row, and a summary of what ran and what did not.

The tests gate themselves by features; nothing here knows which test needs which kernel.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from scripts.archive import SetupError
from tests.forked import FORKED
from tests.vm import image, machine
from tests.vm.kernels import Row
from tests.vm.machine import Job
from tests.vm.outcome import Outcome, answers_of, read
from tests.vm.page import render
from tests.vm.userspace import PYTHON, ROOT

#: Emulated, all takes ten times as long; what is slow says nothing more about another kernel.
_MARKED = "(kernel or tool) and not bench and not slow"
_FOLDERS = ("tests/kernel", "tests/tools", "tests/compile")
SELECTION = ("-m", _MARKED, *_FOLDERS)
_CI_MARKED = ("-m", f"{_MARKED} and not thorough")
#: About the language, data and commands: what holds on the oldest kernel and, without emulation, on
#: this machine's, holds on others.
_NO_HOOKS = ("aggregates", "binaries", "cli", "commands", "events", "*examples", "external_btf",
             "foreign_object", "helpers*", "kernel_memory", "language*", "map_*", "natural",
             "pinning*", "stacks", "streams", "stubs", "usdt", "views_page")  # fmt: skip
#: What each change is tested with, in parts, so that no machine takes much longer than the others.
#: Not the same once more for other types and values.
CI_SELECTIONS = {
    "hooks": (*_CI_MARKED, "tests/kernel",
              *(f"--ignore-glob=*/kernel/test_{name}.py" for name in _NO_HOOKS)),
    "language": (*_CI_MARKED,
                 *(str(path.relative_to(ROOT)) for name in _NO_HOOKS
                   for path in sorted(ROOT.glob(f"tests/kernel/test_{name}.py")))),
    "tools": (*_CI_MARKED, "tests/tools"),
}  # fmt: skip
#: A row, and a selection of tests as arguments for pytest.
Selected: TypeAlias = tuple[Row, Sequence[str]]
#: After how many seconds a test says where it is.
_STUCK_S = 240
#: So many that fail twice are no matter of time.
_HOPELESS = 3
#: Machines at a time. One emulated process keeps a processor busy, but not all end together: twice
#: as many leave none idle.
AT_ONCE = 2 * (os.cpu_count() or 1)


def test(jobs: Sequence[Selected], limit: float, page: Path | None) -> int:
    """Run the tests on each row; return 0 when all is well on all of them.

    Args:
        jobs: rows with what to run on them; some at a time (`AT_ONCE`).
        limit: for each job, in seconds.
        page: where to write the table of what came of it, if at all.
    """
    for selection in {tuple(selection) for _, selection in jobs}:
        _compile_tests(selection)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [
            pool.submit(run, row, selection, limit, ask=page is not None) for row, selection in jobs
        ]
        try:
            outcomes = [future.result() for future in futures]
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            machine.stop()
            raise
    print("== the kernel tests on other kernels", flush=True)
    for outcome in outcomes:
        print("\n".join(outcome.lines()), flush=True)
    # Last, where they are seen.
    for problem in [line for outcome in outcomes for line in outcome.failures()]:
        print(problem, flush=True)
    if page is not None:
        page.write_text(render(outcomes), encoding="utf-8")
    return int(not all(outcome.good for outcome in outcomes))


def run(row: Row, selection: Sequence[str], limit: float, *, ask: bool = False) -> Outcome:
    """Run the tests on one kernel; its output is shown as it comes, each line with the row.

    Args:
        row: which kernel.
        selection: of tests, as arguments for pytest.
        limit: in seconds.
        ask: let the kernel say what it can do, too.
    """
    show = Lines(row.name)
    with tempfile.TemporaryDirectory(prefix="pyebpf-vm-results-") as results:
        report, answers = Path(results, "report.xml"), Path(results, "answers.json")
        retried = Path(results, "retried.xml")
        script = _script(selection, report, retried, Path(results, "cache"))
        if ask:
            script = f"{shlex.join([PYTHON, '-m', 'tests.vm.probe', str(answers)])} && {script}"
        try:
            kernel = image.get(row)
            show.write(f"booting Linux {kernel.release}\n".encode())
            job = Job(["sh", "-c", script], ROOT, (Path(results),), limit=limit,
                      environment=_environment(row))  # fmt: skip
            result = machine.run(kernel, job, show, show)
        except SetupError as err:
            return Outcome(row, error=str(err))
        outcome = Outcome(row, kernel.release, seconds=result.seconds, answers=answers_of(answers))
        return read(outcome, report, retried, result.code)


def _script(selection: Sequence[str], report: Path, retried: Path, cache: Path) -> str:
    """Return what runs the tests, and those that fail once more.

    Emulated beside other machines, a processor stands still for long at any place: what depends on
    that fails now and then, what is wrong fails twice. The summary names those that needed it.
    """
    options = ["-q", "-rfE", "--tb=short", "-o", f"cache_dir={cache}",
               "-o", f"faulthandler_timeout={_STUCK_S}"]  # fmt: skip
    run = [PYTHON, "-m", "pytest", *options, *selection]
    once = shlex.join([*run, f"--junitxml={report}"])
    again = shlex.join([*run, "--last-failed", "--last-failed-no-failures=none",
                         f"--maxfail={_HOPELESS}", f"--junitxml={retried}"])  # fmt: skip
    return f"{once}; code=$?; test $code = 1 || exit $code; {again}"


def _compile_tests(selection: Sequence[str]) -> None:
    """Leave byte code of package and tests beside them: emulated, that takes half a minute."""
    words = [PYTHON, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *selection]
    environment = {name: value for name, value in os.environ.items()
                   if name != "PYTHONDONTWRITEBYTECODE"}  # fmt: skip
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        raise SetupError(f"the tests cannot be collected:\n{done.stdout}{done.stderr}")


def _environment(row: Row) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYEBPF_TESTS_LACK": ",".join(row.lacks), FORKED: "1"}


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
