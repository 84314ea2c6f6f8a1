"""Type checkers take the programs in ``accept/`` and refuse the marked lines in ``reject/``.

A line that must be refused ends in ``# refused: <mypy code>, <pyright rule>``; nothing else may be
reported. The programs are never executed.

All of this is true with and without the stubs that ``pyebpf stubs`` writes. The programs in
``with_stubs/`` need them; they are made from the frozen kernel, for the names of all programs.
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
from typing import NamedTuple

import pytest

from pyebpf.stubs import Wanted, in_program, write
from tests import frozen

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ACCEPT = sorted((HERE / "accept").glob("*.py"))
REJECT = sorted((HERE / "reject").glob("*.py"))
ACCEPT_TYPED = sorted((HERE / "with_stubs" / "accept").glob("*.py"))
REJECT_TYPED = sorted((HERE / "with_stubs" / "reject").glob("*.py"))
MARK = re.compile(r"# refused: ([\w-]+), (\w+)$")

#: For each file, the lines that a checker complains about, with its code for each.
Refusals = dict[str, list[tuple[int, str]]]


class Project(NamedTuple):
    """Programs in a folder of their own, maybe with stubs in its ``typings``."""

    folder: Path

    def check(self, module: str, *options: str) -> str:
        """Run a checker over all programs at once; what it reports decides, not its exit code."""
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (make setup)")
        files = [*self.folder.glob("*.py"), *self.folder.glob("typings/*/*.pyi")]
        words = [sys.executable, "-m", module, *options, *map(str, sorted(files))]
        done = subprocess.run(
            words, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout


#: No look for a newer version: nothing here needs a network.
ENVIRONMENT = {
    **os.environ,
    "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    "PYTHONPATH": str(ROOT),  # where pyright looks, since it asks Python
    "MYPYPATH": f"typings:{ROOT}",
}


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return _project(tmp_path_factory.mktemp("plain"), ACCEPT + REJECT, stubbed=False)


@pytest.fixture(scope="session")
def stubbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    programs = ACCEPT + REJECT + ACCEPT_TYPED + REJECT_TYPED
    return _project(tmp_path_factory.mktemp("stubbed"), programs, stubbed=True)


def _project(folder: Path, programs: list[Path], *, stubbed: bool) -> Project:
    for path in programs:
        name = path.name if path.parent.parent == HERE else f"typed_{path.parent.name}_{path.name}"
        (folder / name).write_bytes(path.read_bytes())
    if stubbed:
        named = Wanted()
        for path in programs:
            named |= in_program(path)
        write(named, frozen.target(), folder / "typings", "A frozen kernel.")
    return Project(folder)


@functools.cache
def mypy(project: Project) -> Refusals:
    options = ["--strict", "--config-file=", "--output=json"]
    quiet = ["--follow-imports=silent", "--disable-error-code=import-untyped"]
    found: Refusals = {}
    for line in project.check("mypy", *options, *quiet).splitlines():
        if not line.startswith("{"):
            continue
        report = json.loads(line)
        if report["severity"] == "error":
            place = (report["line"], report["code"])
            found.setdefault(Path(report["file"]).name, []).append(place)
    return found


@functools.cache
def pyright(project: Project) -> Refusals:
    found: Refusals = {}
    for report in json.loads(project.check("pyright", "--outputjson"))["generalDiagnostics"]:
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


Checker = Callable[[Project], Refusals]


@CHECKERS
@pytest.mark.parametrize("path", ACCEPT, ids=lambda path: path.stem)
def test_a_right_program_is_accepted(
    path: Path, checker: Checker, column: int, plain: Project, stubbed: Project
) -> None:
    assert marked(path, column) == []
    assert checker(plain).get(path.name, []) == []
    assert checker(stubbed).get(path.name, []) == []


@CHECKERS
@pytest.mark.parametrize("path", REJECT, ids=lambda path: path.stem)
def test_a_wrong_program_is_refused(
    path: Path, checker: Checker, column: int, plain: Project, stubbed: Project
) -> None:
    expected = marked(path, column)
    assert expected, f"{path.name} marks no line"
    assert sorted(checker(plain).get(path.name, [])) == expected
    assert sorted(checker(stubbed).get(path.name, [])) == expected


@CHECKERS
@pytest.mark.parametrize("path", ACCEPT_TYPED, ids=lambda path: path.stem)
def test_with_stubs_a_right_program_is_accepted(
    path: Path, checker: Checker, column: int, stubbed: Project
) -> None:
    assert marked(path, column) == []
    assert checker(stubbed).get(f"typed_accept_{path.name}", []) == []


@CHECKERS
@pytest.mark.parametrize("path", REJECT_TYPED, ids=lambda path: path.stem)
def test_with_stubs_a_wrong_program_is_refused(
    path: Path, checker: Checker, column: int, stubbed: Project
) -> None:
    expected = marked(path, column)
    assert expected, f"{path.name} marks no line"
    assert sorted(checker(stubbed).get(f"typed_reject_{path.name}", [])) == expected


@CHECKERS
def test_the_stubs_themselves_are_right(checker: Checker, column: int, stubbed: Project) -> None:
    names = {path.name for path in stubbed.folder.glob("typings/pyebpf_stubs/*")}
    assert names == {"__init__.pyi", "types.pyi", "tracepoints.pyi", "kfuncs.pyi"}
    assert {name: checker(stubbed)[name] for name in names & checker(stubbed).keys()} == {}
