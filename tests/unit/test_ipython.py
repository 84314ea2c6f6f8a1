"""Errors in IPython's own shell, which is that of notebooks: the message, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import beside_shell

pytest.importorskip("IPython", reason="ipython is not installed (make setup)")

#: A cell as a notebook runs it, and another one after it.
SCRIPT = '''
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="NoColor")
shell.run_cell("""\\
from pyebpf import *
from tests.frozen import target

counts = Hash[u32, u64]()

@raw_tracepoint("sys_enter")
def probe() -> None:
    counts[1] = now
""")
result = shell.run_cell("compile_probes(probe, target=target())", store_history=True)
print(type(result.error_in_exec).__name__)
shell.run_cell("1 / 0")
'''
EXPECTED = """\
error[E0101]: `now` is not defined
 --> FILE:8:17
  |
8 |     counts[1] = now
  |                 ^^^ not found"""


def ipython(folder: Path, **environment: str) -> str:
    return beside_shell(SCRIPT, folder, **environment)[0]


def test_a_cell_shows_the_message_alone(tmp_path: Path) -> None:
    said, other = ipython(tmp_path, NO_COLOR="1").split("CompileError\n")
    lines = said.strip().splitlines()
    lines[1] = " --> FILE:" + lines[1].split(":", 1)[1]
    assert "\n".join(lines).startswith(EXPECTED)
    assert "Traceback" not in said
    assert "Traceback" in other  # of other errors IPython shows what it always does


def test_colours_are_forced(tmp_path: Path) -> None:
    said = ipython(tmp_path, FORCE_COLOR="1", NO_COLOR="").split("CompileError\n")[0]
    assert said.lstrip().startswith("\x1b[1;31merror[E0101]\x1b[0m")
