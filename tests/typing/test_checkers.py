"""Type checkers take the programs in ``accept/`` and refuse the marked lines in ``reject/``.

A line that must be refused ends in ``# refused: <mypy code>, <pyright rule>``; nothing else may be
reported. The programs are never executed.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ACCEPT = sorted((HERE / "accept").glob("*.py"))
REJECT = sorted((HERE / "reject").glob("*.py"))
MARK = re.compile(r"# refused: ([\w-]+), (\w+)$")

#: For each file, the lines that a checker complains about, with its code for each.
Refusals = dict[str, list[tuple[int, str]]]


def run(module: str, *options: str) -> str:
    """Run a checker over all programs at once; what it reports decides, not its exit code."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed (make setup)")
    # No look for a newer version: nothing here needs a network.
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "MYPYPATH": str(ROOT)}
    words = [sys.executable, "-m", module, *options, *map(str, ACCEPT + REJECT)]
    done = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@functools.cache
def mypy() -> Refusals:
    options = ["--strict", "--explicit-package-bases", "--config-file=", "--output=json"]
    quiet = ["--follow-imports=silent", "--disable-error-code=import-untyped"]
    found: Refusals = {}
    for line in run("mypy", *options, *quiet).splitlines():
        if not line.startswith("{"):
            continue
        report = json.loads(line)
        if report["severity"] == "error":
            place = (report["line"], report["code"])
            found.setdefault(Path(report["file"]).name, []).append(place)
    return found


@functools.cache
def pyright() -> Refusals:
    found: Refusals = {}
    for report in json.loads(run("pyright", "--outputjson"))["generalDiagnostics"]:
        if report["severity"] == "error":
            place = (report["range"]["start"]["line"] + 1, report.get("rule", report["message"]))
            found.setdefault(Path(report["file"]).name, []).append(place)
    return found


CHECKERS = pytest.mark.parametrize(
    ("checker", "column"),
    [pytest.param(mypy, 1, id="mypy"), pytest.param(pyright, 2, id="pyright")],
)


def marked(path: Path, column: int) -> list[tuple[int, str]]:
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return [(number, str(m[column])) for number, line in lines if (m := MARK.search(line))]


@CHECKERS
@pytest.mark.parametrize("path", ACCEPT, ids=lambda path: path.stem)
def test_a_right_program_is_accepted(
    path: Path, checker: Callable[[], Refusals], column: int
) -> None:
    assert marked(path, column) == []
    assert checker().get(path.name, []) == []


@CHECKERS
@pytest.mark.parametrize("path", REJECT, ids=lambda path: path.stem)
def test_a_wrong_program_is_refused(
    path: Path, checker: Callable[[], Refusals], column: int
) -> None:
    expected = marked(path, column)
    assert expected, f"{path.name} marks no line"
    assert sorted(checker().get(path.name, [])) == expected
