"""``python -m pyebpf`` at a terminal, into a pipe, onto a full disk: all commands behave alike."""

from __future__ import annotations

import io
import os
import re
import resource
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pyebpf import progress
from pyebpf.cli import helping, main, output, watching
from pyebpf.cli.commands import COMMANDS
from pyebpf.cli.options import Option
from tests.programs import run, start, until
from tests.terminal import at_terminal

VERBS = sorted(COMMANDS)
#: Those that import a program of the user's.
OF_PROGRAMS = [name for name in VERBS if "PROGRAM" in COMMANDS[name].usage]


# --help


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*words, "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("name", VERBS)
def test_every_help_has_the_same_parts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(name, capsys=capsys)
    assert text.startswith(f"usage: pyebpf {name}")
    assert max(map(len, text.splitlines())) < 80
    parts = re.findall(r"(?m)^([a-z ]+):$", text)
    assert parts == ["options", "examples", "exit status"]
    statuses = text.partition("\nexit status:\n")[2]
    assert re.findall(r"(?m)^  (\d+) +\S", statuses) == ["0", "1", "2", "130", "141"]
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", VERBS)
def test_every_example_is_a_command_line_that_makes_sense(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = help_of(name, capsys=capsys).partition("\nexamples:\n")[2].partition("\n\n")[0]
    said = [line.strip() for line in examples.splitlines() if not line.startswith("      #")]
    assert any(f"pyebpf {name}" in line for line in said)
    for line in said:
        words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)
        words = words[1:] if words[0] == "sudo" else words
        if words[0] == "pyebpf" and words[1] in COMMANDS:
            COMMANDS[words[1]].module.ARGUMENTS.read(words[2:])
        else:
            assert words[0] in ("pyebpf", "bpftool")


def test_the_help_of_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 80
    assert re.findall(r"(?m)^([a-z ]+):$", text) == ["commands", "examples", "exit status"]
    for words in (["--help"], ["-h"], ["help"]):
        assert main(words) == 0
        assert capsys.readouterr().out == text


def test_text_is_filled_beside_its_labels() -> None:
    long = "word " * 20
    table = f"Output:   {long}\n          and {long}\nNeeds:    little."
    text = f"Say {long}\n\n{table}\n\n  a[b]{{c}}\n\n"
    filled = helping.filled(text)
    assert max(map(len, filled.splitlines())) < 80
    assert filled.split() == text.split()
    _, table, syntax = filled.split("\n\n")
    rows = table.splitlines()
    assert [row[:10] for row in rows if row[0] != " "] == ["Output:   ", "Needs:    "]
    assert {row[:10] for row in rows if row[0] == " "} == {" " * 10}
    assert syntax == "  a[b]{c}"
    assert helping.filled(filled) == filled


# words that make no sense


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dcotor"], "there is no command and no tool 'dcotor'; did you mean `doctor`?"),
        (
            ["biolatancy"],
            "there is no command and no tool 'biolatancy'; did you mean `biolatency`?",
        ),
        (["qqqq"], "there is no command and no tool 'qqqq'; `pyebpf tools` lists the tools"),
        (["--verison"], "there is no option --verison; did you mean `--version`?"),
        (["-x"], "there is no option -x"),
        (["help", "dcotor"], "there is no command and no tool 'dcotor'; did you mean `doctor`?"),
        ([__file__], f"there is no command and no tool '{__file__}'; `pyebpf run {__file__}` runs"),
    ],
)
def test_what_may_have_been_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pyebpf: {said}")
    assert err.endswith("\ntry pyebpf --help\n")


@pytest.mark.parametrize("name", VERBS)
def test_every_option_that_is_misspelt_is_offered(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def long(option: Option) -> list[str]:
        return [flag for flag in option.flags if len(flag) > 6]

    for flag in (flag for each in COMMANDS[name].module.ARGUMENTS.options for flag in long(each)):
        wrong = f"{flag[:-3]}{flag[-2]}{flag[-3]}{flag[-1]}"  # two letters swapped
        assert main([name, wrong]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"pyebpf: option {wrong} not recognized; did you mean `{flag}`"), err


@pytest.mark.parametrize(
    ("begun", "program", "typed"),
    [
        (["python", "-m", "pyebpf"], "pyebpf", "python -m pyebpf"),
        (["python", "-m", "pyebpf"], "biotop", "python -m pyebpf biotop"),
        (["bin/python", "-m", "pyebpf.tools"], "biotop", "bin/python -m pyebpf.tools biotop"),
        (["python3", "-m", "pyebpf.tools.biotop"], "biotop", "python3 -m pyebpf.tools.biotop"),
        (["/v/bin/python3", "/v/bin/pyebpf"], "biotop", "/v/bin/pyebpf biotop"),
        (["/v/bin/python3", "/v/bin/pyebpf"], "pyebpf", "/v/bin/pyebpf"),
        (["python", "mine/counts.py"], "counts", "python mine/counts.py"),
        (["python", "-m", "pytest"], "biotop", "biotop"),
        (["python"], "pyebpf", "pyebpf"),
    ],
)
def test_hints_have_what_was_typed(
    begun: list[str], program: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_BEGUN", begun)
    assert output.typed(program) == typed


def test_a_hint_can_be_copied() -> None:
    code, out, err = run("-m", "pyebpf", "list")
    assert (code, out) == (2, "")
    assert err.endswith(f"\ntry {sys.executable} -m pyebpf list --help\n")
    words = err.splitlines()[-1].removeprefix("try ").split()
    assert run(*words[1:]).out.startswith("usage: pyebpf list")


# what cannot be written, and what nobody reads


def all_verbs(stdout: Callable[[], int]) -> Iterator[tuple[str, int, str]]:
    """Run all verbs at once, with ``--help`` or what needs no kernel.

    Yields:
        The name of each, its exit code, what it complains of.
    """
    lines = {name: ["-m", "pyebpf", name, "--help"] for name in (*VERBS, "biolatency")}
    lines |= {"tools": ["-m", "pyebpf", "tools"], "listing": ["-m", "pyebpf.tools"]}
    lines |= {"nothing": ["-m", "pyebpf"]}
    running = {}
    for name, words in lines.items():
        fd = stdout()
        running[name] = start(*words, stdout=fd)
        os.close(fd)
    for name, process in running.items():
        _, err = process.communicate()
        yield name, process.returncode, err.decode()


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def unread() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


@pytest.mark.slow
def test_a_full_disk_is_said_in_one_line() -> None:
    for name, code, err in all_verbs(full):
        program = "biolatency" if name == "biolatency" else "pyebpf"
        said = f"{program}: cannot write to standard output: No space left on device\n"
        assert (name, code, err) == (name, 1, said)


@pytest.mark.slow
def test_nobody_reads() -> None:
    for name, code, err in all_verbs(unread):
        assert (name, code, err) == (name, 141, "")


def test_a_file_that_cannot_be_written_is_named_and_no_half_is_left(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left") as full:
        output.write_file("/dev/full", b"x")
    assert output.reason(full.value) == "/dev/full: No space left on device"
    path = tmp_path / "made"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as large:
            output.write_file(str(path), bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert output.reason(large.value) == f"{path}: File too large"
    assert not path.exists()
    output.write_file(str(path), bytes(1000))
    assert path.read_bytes() == bytes(1000)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(2, "No such file or directory", "a.py"), "a.py: No such file or directory"),
        (OSError(18, "Cross-device link", "a", None, "b"), "a: b: Cross-device link"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("of our own"), "of our own"),
    ],
)
def test_errors_of_system_calls_have_one_style(error: OSError, said: str) -> None:
    assert output.reason(error) == said


def test_no_python_at_all(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"a\0b")
    assert main(["compile", str(binary), "-o", str(tmp_path / "x.o")]) == 1
    assert capsys.readouterr().err.startswith(f"pyebpf: {binary} is no Python program: ")


# at a terminal


def test_the_list_of_tools_fits_its_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools"]) == 0
    whole = capsys.readouterr().out
    with at_terminal("-m", "pyebpf", "tools", columns=60) as terminal:
        assert terminal.end() == 0
        seen = terminal.seen.replace("\r", "")
    assert max(map(len, seen.splitlines())) <= 60
    assert seen.split() == whole.split()
    names = [line.split()[0] for line in whole.splitlines()]
    assert [line.split()[0] for line in seen.splitlines() if line[0] != " "] == names


#: Waits until a file is there, and then has no probe.
SLOW = """
import os, time
while not os.path.exists(__file__ + ".go"):
    time.sleep(0.01)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    file = tmp_path / "slow.py"
    file.write_text(SLOW)
    return file


def words_for(verb: str, file: Path) -> list[str]:
    made = ["-o", f"{file}.out"] if " -o " in COMMANDS[verb].usage else []
    return ["-m", "pyebpf", verb, str(file), *made]


@pytest.mark.slow
@pytest.mark.parametrize("verb", OF_PROGRAMS)
def test_what_takes_long_is_said_and_then_gone(verb: str, slow: Path) -> None:
    with at_terminal(*words_for(verb, slow), columns=40) as terminal:
        terminal.wait(lambda: "\rimporting /" in terminal.seen)
        slow.with_name("slow.py.go").touch()
        assert terminal.end() == 1
        told, erased, rest = terminal.seen.rpartition("\r\x1b[K")
    assert erased
    assert max(len(line) for line in re.split(r"\r|\x1b\[K", told)) < 40
    assert rest.startswith(f"pyebpf: {slow}: no probe in it")


@pytest.mark.slow
@pytest.mark.parametrize("verb", OF_PROGRAMS)
def test_ctrl_c_at_a_terminal(verb: str, slow: Path) -> None:
    with at_terminal(*words_for(verb, slow)) as terminal:
        terminal.wait(lambda: "\rimporting /" in terminal.seen)
        terminal.press("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.seen
        assert terminal.seen.endswith("\r\x1b[K")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_steps_are_counted_and_other_text_has_the_line_for_itself() -> None:
    screen = Screen()
    line = watching.Line(screen, delay_s=0)
    with progress.watched_by(line):
        for part in progress.counted(range(3), "loading"):
            screen.truncate(0)
            until(lambda part=part: f"\rloading: {part} of 3 … " in screen.getvalue())
            with progress.doing("compiling \x1b[31m"):
                until(lambda: "\rcompiling \\x1b[31m … " in screen.getvalue())
            progress.make_way()
            assert screen.getvalue().endswith("\r\x1b[K")
    assert screen.getvalue().endswith("\r\x1b[K")
    assert not progress.is_watched()


def test_what_ends_soon_is_not_told_and_no_thread_is_left() -> None:
    screen, before = Screen(), threading.active_count()
    line = watching.Line(screen, delay_s=1000)
    with progress.watched_by(line), progress.doing("compiling"), progress.doing("loading"):
        assert threading.active_count() == before + 1
    assert (screen.getvalue(), threading.active_count()) == ("", before)


def test_an_error_leaves_no_line() -> None:
    """What iterates is closed late, when nobody remembers the error any more."""
    screen = Screen()
    line = watching.Line(screen, delay_s=0)
    parts = progress.counted([1, 2], "attaching")
    with ExitStack() as stack:
        stack.enter_context(progress.watched_by(line))
        next(parts)
        until(lambda: "attaching" in screen.getvalue())
    line.close()
    assert screen.getvalue().endswith("\r\x1b[K")
    parts.close()  # type: ignore[attr-defined]
    assert screen.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("stream", "term", "told"),
    [
        (Screen(), "xterm", True),
        (Screen(), "dumb", False),
        (io.StringIO(), "xterm", False),
        (None, "xterm", False),
    ],
)
def test_who_is_told(
    stream: io.StringIO | None, term: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    with watching.at_terminal():
        assert progress.is_watched() is told
    assert not progress.is_watched()


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_no_failure() -> None:
    environment = {**os.environ, "PYEBPF_CACHE_DIR": "/dev/null/cache"}
    for words in (["tools"], ["list", "map_lookup_elem", "-k", "helper"]):
        done = subprocess.run(
            [sys.executable, "-m", "pyebpf", *words],
            env=environment, capture_output=True, text=True, check=False,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), words
