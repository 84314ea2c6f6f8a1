"""Run tests on every supported Python, and with the oldest dependencies that we declare.

``make matrix`` runs all rows; ``make matrix ARGS="3.10 oldest"`` those whose name is given, and
``ARGS=--ci`` all but the one of this Python, whose tests ``make test`` runs as well. Each row has a
virtual environment below ``.venvs/``, kept for the next run. pyebpf is not installed there: these
are also the tests of an uninstalled checkout. As many rows run at once as there are processors, but
for the one that loads programs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import environment
import project
import pythons
from archive import SetupError

FOLDER = project.ROOT / ".venvs"
CI = "--ci"
#: The Python of ``make test``.
DEFAULT = ".".join(map(str, sys.version_info[:2]))
COMPILE_HALF = ("tests/unit", "tests/compile", "-m", "not kernel and not slow and not bench")
RUN_HALF = ("tests/kernel", "-m", "kernel and not slow")
#: Distributions whose version is the point of a row.
SHOWN = ("llvmlite", "numpy")


class Row(NamedTuple):
    """One combination: a Python version, newest or oldest dependencies, and what to run on it."""

    name: str
    python: str
    oldest: bool
    select: tuple[str, ...]


class Outcome(NamedTuple):
    """What came of a row: whether it is a failure, and its line in the table."""

    failed: bool
    text: str


def rows() -> list[Row]:
    """Return the whole matrix."""
    versions = project.python_versions()
    return [
        *(Row(version, version, False, COMPILE_HALF) for version in versions),
        Row("oldest", versions[0], True, COMPILE_HALF),
        Row("oldest-kernel", DEFAULT, True, RUN_HALF),
    ]


def prepare(row: Row, python: str) -> Path:
    """Make the row's environment, or reuse it; return its Python.

    Raises:
        subprocess.CalledProcessError: the environment could not be made.
    """
    wanted = [*project.dependencies(oldest=row.oldest), *project.group("test")]
    return environment.provide(FOLDER / row.name, python, wanted)


def versions(inside: Path) -> str:
    """Say which versions of the distributions that matter are installed."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    words = [str(inside), "-c", code, *SHOWN]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return ", ".join(f"{name} {number}" for name, number in zip(SHOWN, found, strict=True))


def run(row: Row) -> Outcome:
    """Run one row; print the tests' output only when something is wrong."""
    try:
        python = pythons.find(row.python)
    except SetupError as err:
        return Outcome(
            False, f"skipped: no Python {row.python} found (pyenv, PATH, uv, Debian): {err}"
        )
    try:
        inside = prepare(row, python)
    except subprocess.CalledProcessError as err:
        return Outcome(True, f"the environment could not be made: exit code {err.returncode}")
    begin = time.monotonic()
    words = [str(inside), "-m", "pytest", "-q", "-p", "no:cacheprovider", *row.select]
    done = subprocess.run(words, cwd=project.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    last = done.stdout.strip().rpartition("\n")[2]
    text = f"{versions(inside)}: {last or f'exit code {done.returncode}'}"
    return Outcome(bool(done.returncode), f"{text} ({time.monotonic() - begin:.0f} s)")


def main(names: list[str]) -> int:
    """Run the rows named, or all of them; non-zero if one failed."""
    known = rows()
    if names == [CI]:
        names = [row.name for row in known if row.name != DEFAULT]
    unknown = set(names) - {row.name for row in known}
    if unknown:
        print("no such row: " + ", ".join(sorted(unknown)), file=sys.stderr)
        return 2
    chosen = [row for row in known if not names or row.name in names]
    beside = [row for row in chosen if row.select is COMPILE_HALF]
    failed = False
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = {row.name: pool.submit(run, row) for row in beside}
        for row in chosen:  # what loads programs is alone with the kernel: it is the last
            outcome = outcomes[row.name].result() if row in beside else run(row)
            failed |= outcome.failed
            mark = "FAILED " if outcome.failed else ""
            print(f"{row.name:<14} Python {row.python:<5} {mark}{outcome.text}", flush=True)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
