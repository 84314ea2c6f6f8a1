"""The first moments of our programs: Ctrl-C while Python still imports them, and the collector."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: In place of a module that ours import: it says so, and takes its time, piece by piece: a signal
#: that comes just before a piece is noticed behind it.
SLOW = """
import time
print('importing', flush=True)
for _ in range(1200):
    time.sleep(0.05)
"""
#: What an installed program is.
SCRIPT = "import sys\nfrom pyebpf.cli import main\nsys.exit(main())\n"
PROGRAMS = (
    ("-m", "pyebpf.tools.biolatency", "-d", "sda"),
    ("-m", "pyebpf", "tools"),
    ("-mpyebpf", "tools"),
    ("{folder}/pyebpf", "tools"),
)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "contextvars.py").write_text(SLOW)
    (folder / "pyebpf").write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, *(word.format(folder=folder) for word in words)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
    )  # fmt: skip


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    return process.returncode, said


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_ctrl_c_before_a_program_has_begun_ends_it_without_a_word(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert interrupted(start(tmp_path, *words)) == (130, "")


def test_ctrl_c_in_a_program_of_somebody_else_is_theirs(tmp_path: Path) -> None:
    code, said = interrupted(start(tmp_path, "-c", "import pyebpf.session"))
    assert code == -signal.SIGINT
    assert said.endswith("KeyboardInterrupt\n")


STATE = "import gc, signal, sys; print(gc.isenabled(), signal.getsignal(signal.SIGINT).__name__)\n"
UNTOUCHED = "True default_int_handler\n"


def test_a_package_that_imports_ours_is_not_taken_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "__init__.py").write_text(f"import pyebpf\n{STATE}")
    (folder / "__main__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "theirs", "pyebpf"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    assert done.stdout == UNTOUCHED


def test_a_program_that_has_begun_is_like_any_other(tmp_path: Path) -> None:
    script = tmp_path / "pyebpf"
    script.write_text(
        f"import pyebpf\n{STATE}from pyebpf.cli import main\nmain(['--version'])\n{STATE}"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True,
    )  # fmt: skip
    begun, _, after = done.stdout.splitlines()
    assert (begun, f"{after}\n") == ("False _end", UNTOUCHED)
