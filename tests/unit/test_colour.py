"""Colours: who gets them, and that they change nothing else."""

from __future__ import annotations

import io
import re

import pytest

from pyebpf import colour
from pyebpf.cli import output
from pyebpf.errors import CompileError, VerifierError
from tests.compile.cases import REJECT

TEXT = """\
error[E0101]: `now` is not defined
 --> probe.py:3:17
  |
3 |     counts[1] = now | 1
  |                 ^^^ not found
  |
  = help: no"""
PAINTED = """\
\x1b[1;31merror[E0101]\x1b[0m\x1b[1m: `now` is not defined\x1b[0m
\x1b[34m -->\x1b[0m probe.py:3:17
\x1b[34m  |\x1b[0m
\x1b[34m3 |\x1b[0m     counts[1] = now | 1
\x1b[34m  |\x1b[0m\x1b[1;31m                 ^^^ not found\x1b[0m
\x1b[34m  |\x1b[0m
  \x1b[34m=\x1b[0m \x1b[1;36mhelp:\x1b[0m no"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_diagnostic_in_colours() -> None:
    assert colour.paint(TEXT) == PAINTED


@pytest.mark.parametrize("line", ["", "counted: 3 | 4", "a | b", "x = 1", "try x --help"])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert colour.paint(line) == line


def test_colours_change_no_letter_of_any_message() -> None:
    for case in REJECT:
        text = case.with_suffix(".err").read_text(encoding="utf-8")
        painted = colour.paint(text)
        assert re.sub(r"\x1b\[[\d;]*m", "", painted) == text
        assert painted != text


@pytest.mark.parametrize(
    ("environment", "at_a_terminal", "in_a_file"),
    [
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "", "FORCE_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_who_gets_colours(
    environment: dict[str, str],
    at_a_terminal: bool,
    in_a_file: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert colour.wanted(Terminal()) is at_a_terminal
    assert colour.wanted(io.StringIO()) is in_a_file
    assert colour.wanted(None) is (in_a_file and at_a_terminal)


def test_a_tool_complains_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    output.complain("counted", f"its probes do not fit this kernel\n{TEXT}")
    monkeypatch.setenv("NO_COLOR", "1")
    output.complain("counted", TEXT)
    first = f"counted: its probes do not fit this kernel\n{PAINTED}\n"
    assert screen.getvalue() == f"{first}counted: {TEXT}\n"


@pytest.mark.parametrize("error", [CompileError(TEXT), VerifierError(TEXT)])
def test_ipython_is_given_colours_if_it_can_show_them(
    error: CompileError | VerifierError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", Terminal())
    assert error._render_traceback_() == PAINTED.split("\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert error._render_traceback_() == TEXT.split("\n")
