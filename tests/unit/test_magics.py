"""``%load_ext pyebpf`` in IPython's own shell: a magic for each tool, and no traceback."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pyebpf import magics
from pyebpf.errors import KernelError, VerifierError
from tests.programs import beside_shell

pytest.importorskip("IPython", reason="ipython is not installed (make setup)")
ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))
SHELL = """
import sys
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance(colors="NoColor")
shell.display_pub = CapturingDisplayPublisher()
shell.run_cell("%load_ext pyebpf")
"""


def run(code: str, folder: Path, *words: str, **environment: str) -> tuple[str, str]:
    """Run code beside a shell that has the magics; return what it printed."""
    return beside_shell(SHELL + code, folder, *words, **environment)


def test_there_is_one_for_each_tool_and_no_tool_is_imported(tmp_path: Path) -> None:
    out, _ = run(
        "lines = shell.magics_manager.magics['line']\n"
        f"print([name for name in {TOOLS} if 'ToolMagic' not in repr(lines.get(name))])\n"
        "print([name for name in sys.modules if name.startswith('pyebpf.tools.')])\n"
        "print('numpy' in sys.modules, 'llvmlite' in sys.modules)\n"
        "shell.run_cell('%load_ext pyebpf')\nshell.run_cell('%reload_ext pyebpf')\n",
        tmp_path,
    )
    assert out.splitlines()[0] == "[]"
    assert out.splitlines()[1] == "['pyebpf.tools.__main__']"
    assert out.splitlines()[2] == "False False"


def test_a_name_that_the_shell_has_stays_what_it_is(tmp_path: Path) -> None:
    out, _ = run(
        "from pyebpf.magics import register\n"
        "shell.register_magic_function(lambda line: 'mine', 'line', 'biotop')\n"
        "register(shell)\n"
        "print(shell.run_line_magic('biotop', ''))\n"
        "shell.run_line_magic('pyebpf', 'biotop --help')\n",
        tmp_path,
    )
    assert out.startswith("mine\nusage: biotop ")


def test_help_and_what_makes_no_sense(tmp_path: Path) -> None:
    out, err = run(
        "for line in ('%biolatency --help', '%biolatency --hepl', '%biolatency 1 2 3',\n"
        "             '%biolatency \"', '%pyebpf nothing', '%pyebpf'):\n"
        "    assert shell.run_cell(line).success\n",
        tmp_path,
    )
    assert "usage: biolatency [options] [interval [count]]" in out
    assert "%biolatency " in out.rpartition("examples:")[2]  # of the list that %pyebpf prints
    assert "biolatency: option --hepl not recognized; did you mean `--help`?\nusage: " in err
    assert "try %biolatency --help" in err
    assert "'3' is one argument too many" in err
    assert "No closing quotation" in err
    assert "there is no tool 'nothing'" in err
    assert "Traceback" not in out + err


def test_names_and_options_are_completed(tmp_path: Path) -> None:
    out, _ = run(
        "print(shell.complete('--qu', '%biolatency --qu')[1])\n"
        "print(shell.complete('biol', '%pyebpf biol')[1])\n"
        "print(shell.complete('--qu', '%pyebpf biolatency --qu')[1])\n",
        tmp_path,
    )
    assert out.splitlines() == ["['--queued']", "['biolatency']", "['--queued']"]


ADVICE = (
    '  sudo setpriv --reuid="$(id -u)" --regid="$(id -g)" --init-groups \\\n'
    "    --inh-caps=+bpf,+perfmon --ambient-caps=+bpf,+perfmon \\\n"
    '    env HOME="$HOME" PATH="$PATH" jupyter lab'
)


def test_a_missing_capability_says_how_to_run_jupyter() -> None:
    error = KernelError(1, "this needs CAP_BPF", capability="CAP_BPF")
    text = "\n".join(error._render_traceback_())
    assert text.startswith("this needs CAP_BPF\n\n")
    assert text.endswith(ADVICE)
    other = VerifierError("no", capability="CAP_NET_ADMIN")
    assert "+bpf,+perfmon,+net_admin" in "\n".join(other._render_traceback_())
    assert VerifierError("no")._render_traceback_() == ["no"]
    assert not hasattr(KernelError(2, "no such file"), "_render_traceback_")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its rights away")
def test_without_rights_a_cell_and_a_magic_say_so(tmp_path: Path) -> None:
    out, err = run(
        "shell.run_cell('''from pyebpf import *\n"
        '@raw_tracepoint("sys_enter")\n'
        "def enter() -> None:\n"
        "    return\n"
        "load(enter)''')\n"
        "assert shell.run_cell('%syscount 1').success\n",
        tmp_path,
        *("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"),
        "--no-new-privs",
    )
    assert out.count(ADVICE) == 1
    assert err.count("\n  sudo setpriv ") == 1
    assert "--ambient-caps=+bpf,+perfmon" in err  # and what tracefs needs where it is not mounted
    assert err.startswith("syscount: ")
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("line", "symbol", "found"),
    [
        ("%pyebpf biol", "biol", ["biolatency"]),
        ("%pyebpf biolatency --jso", "--jso", ["--json"]),
        ("%pyebpf biotop -p", "-p", ["-p"]),  # it ends as the name of the tool does
        ("%pyebpf biolatency --fl", "--fl", ["--flags"]),
    ],
)
def test_options_are_completed_behind_the_name_of_a_tool(
    line: str, symbol: str, found: list[str]
) -> None:
    event = SimpleNamespace(line=line, symbol=symbol)
    assert magics._names({"biolatency": "", "biotop": ""}, None, event) == found
