"""Programs that a command line names, and the values that it gives to their constants."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pyebpf
from pyebpf import Const, loading
from pyebpf.cli.options import UsageError
from pyebpf.cli.programs import Program, chosen, read_program
from pyebpf.dsl.probes.alternatives import Alternatives
from pyebpf.errors import PyebpfError

PROGRAM = """
from pyebpf import raw_tracepoint

@raw_tracepoint("sys_enter")
def enters() -> int:
    return 0

@raw_tracepoint("sys_exit")
def leaves() -> int:
    return 0

again = enters
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "probe.py"
    made.write_text(PROGRAM)
    return made


def names(word: str) -> list[str]:
    return [probe.name for probe in read_program(word).probes]


def test_a_file(file: Path) -> None:
    assert names(str(file)) == ["enters", "leaves"]
    assert names(f"{file}:leaves") == ["leaves"]


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back what a program sees of the command that imports it."""
    monkeypatch.setattr(sys, "argv", ["pyebpf", "inspect", "-w", "bpf"])
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_a_file_is_alone_with_its_folder(restored: None, file: Path) -> None:
    (file.parent / "its_neighbour.py").write_text("LIMIT = 5\n")
    file.write_text(f"import sys\nfrom its_neighbour import LIMIT\ngiven = sys.argv[1:]\n{PROGRAM}")
    module = read_program(str(file)).module
    assert (module.given, module.LIMIT) == ([], 5)


def test_a_script_is_read_as_far_as_its_load(restored: None, file: Path) -> None:
    script = """
import pyebpf
from pyebpf import Const, load
limit = Const(0)
try:
    with load(enters, options={limit: 5}, attach=False) as session:
        session.sleep(1000)
except Exception:
    raise AssertionError from None
"""
    file.write_text(PROGRAM + script)
    program = read_program(str(file))
    assert [probe.name for probe in program.probes] == ["enters", "leaves"]
    assert chosen(program, []) == {program.module.limit: 5}
    assert chosen(program, ["limit=7"]) == {program.module.limit: 7}
    assert pyebpf.load is loading.load


def test_a_script_that_ends(restored: None, file: Path) -> None:
    file.write_text(f"{PROGRAM}\nraise SystemExit('usage: probe.py PID')\n")
    with pytest.raises(PyebpfError, match=r"it ended when it was imported: usage: probe\.py PID"):
        read_program(str(file))


def test_a_module() -> None:
    assert names("pyebpf.tools.biolatency") == [
        "on_begin",
        "on_insert",
        "on_issue",
        "on_complete",
    ]
    assert names("pyebpf.tools.biolatency:on_issue") == ["on_issue"]


def test_of_alternatives_not_each_is_taken(file: Path) -> None:
    file.write_text(f"{PROGRAM}\nfrom pyebpf import first_of\neither = first_of(enters, leaves)\n")
    (chosen,) = read_program(str(file)).probes
    assert isinstance(chosen, Alternatives)
    assert chosen.ways[1][0].name == "leaves"


@pytest.mark.parametrize(
    ("text", "part", "said"),
    [
        (PROGRAM, ":enter", "there is no probe `enter` in it; did you mean `enters`?"),
        (PROGRAM, ":x", "there is no probe `x` in it; it has enters, leaves, again"),
        ("x = 1\n", "", "no probe in it: nothing is decorated with a hook"),
        ("import pyebpf\ndef (", "", "{file}:2: invalid syntax"),
        ("\n\nx = y\n", "", "{file}:3: NameError: name 'y' is not defined"),
        ("import no_such_module_at_all\n", "", "{file}:1: No module named 'no_such_module_at_all'"),
        ("from pyebpf import tracepoint\ntracepoint('x')\n", "", "write category:name"),
        ("def f():\n    raise SystemError('no')\nf()\n", "", "{file}:2: SystemError: no"),
    ],
)
def test_what_is_wrong_with_a_program(file: Path, text: str, part: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(PyebpfError) as caught:
        read_program(f"{file}{part}")
    assert said.format(file=file) in str(caught.value)


def test_a_file_is_one_whatever_its_end(restored: None, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path)
        (tmp_path / "probe.txt").write_text("x = 1\n", encoding="utf-8")
        (tmp_path / "data.bin").write_bytes(b"\x7fELF\0")
        with pytest.raises(PyebpfError, match=r"probe\.txt: no probe in it"):
            read_program("probe.txt")
        with pytest.raises(PyebpfError, match=r"data\.bin is no Python program"):
            read_program("data.bin")


def test_what_is_not_there() -> None:
    with pytest.raises(PyebpfError, match=r"there is no file and no module 'no_such\.thing'"):
        read_program("no_such.thing")
    with pytest.raises(FileNotFoundError):
        read_program("no/such/file.py")


def even(text: str) -> int:
    if int(text) % 2:
        raise ValueError(f"{text} is odd")
    return int(text)


@pytest.fixture
def program() -> Program:
    made: Any = ModuleType("program")
    made.target_pid = Const(0, "-p", "--pid")
    made.verbose = Const(False, "-v")
    made.loud = Const(True)
    made.name = Const("", "--name")
    made.even = Const(0, "--even", convert=even)
    return Program(made, (), {})


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("target_pid=12", "target_pid", 12),
        ("--pid=0x10", "target_pid", 16),
        ("pid=7", "target_pid", 7),
        ("verbose", "verbose", True),
        ("verbose=no", "verbose", False),
        ("loud", "loud", False),
        ("loud=TRUE", "loud", True),
        ("name=a=b", "name", "a=b"),
        ("even=4", "even", 4),
    ],
)
def test_a_value(program: Program, text: str, name: str, value: object) -> None:
    found = chosen(program, [text])
    assert list(found.items()) == [(getattr(program.module, name), value)]
    assert isinstance(next(iter(found.values())), type(value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target_pdi=1", "there is no constant `target_pdi`; did you mean `target_pid`?"),
        ("zzz=1", "there is no constant `zzz`; it has target_pid, verbose, loud, name, even"),
        ("pid", "say which value: -D pid=VALUE"),
        ("pid=x", "'x' is no whole number"),
        ("verbose=maybe", "'maybe' is neither true nor false"),
        ("even=3", "3 is odd"),
    ],
)
def test_what_is_no_value(program: Program, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(program, [text])
    assert str(caught.value) == f"-D {text}: {said}"
