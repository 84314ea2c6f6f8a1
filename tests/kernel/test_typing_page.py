"""The commands of ``docs/typing.md``, run one after the other where the page's program lies."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pyebpf.btf import Kind
from pyebpf.btf.system import kernel_btf
from tests.programs import ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.thorough]
PAGE = ROOT / "docs" / "typing.md"
BLOCK = re.compile(r"^```(sh|text|python) ?(\S*)\n(.*?)^```", re.M | re.S)


def run(line: str, folder: Path) -> str:
    """Run a line of the shell that starts a module of this environment; return what it prints."""
    assigned, words = {}, shlex.split(line, comments=True)
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        assigned[name] = f"{value}:{ROOT}"
    module = words[2:] if words[:2] == ["python", "-m"] else words
    if importlib.util.find_spec(module[0]) is None:
        pytest.skip(f"{module[0]} is not installed (make setup)")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **assigned}
    environment["PYRIGHT_PYTHON_IGNORE_WARNINGS"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (module[0] != "pyebpf"), done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(
    not kernel_btf().find_all("bpf_task_from_pid", Kind.FUNC),
    reason="this kernel has no bpf_task_from_pid, which the page's program calls",
)
def test_the_page(tmp_path: Path) -> None:
    said = ""
    kinds = []
    for kind, name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        kinds.append(kind)
        if kind == "python":
            (tmp_path / name).write_text(text, encoding="utf-8")
        elif kind == "sh":
            said = "".join(run(line, tmp_path) for line in text.splitlines())
        else:
            shown = said.replace(f"{tmp_path}/", "")
            assert [line for line in text.splitlines() if line not in shown] == []
    assert kinds == ["python", "sh", "sh", "text", "sh", "text", "sh"]
    assert (tmp_path / "stubs" / "pyebpf_stubs" / "tracepoints.pyi").exists()
