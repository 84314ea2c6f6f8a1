"""What every tool has, or says why not: the options of docs/tool-options.md."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from pyebpf.cli import Tool
from pyebpf.cli.options import OF_TASKS, Choice, CommandLine

ROOT = Path(__file__).resolve().parents[2]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("[!_]*.py"))
#: Reports of one thing: nothing in them has more than the rest.
OF_ONE = {"cachestat", "vfsstat"}


@pytest.fixture(autouse=True)
def nothing_but_help(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no tool look at this machine, also one that takes the options that it is given here."""
    act = Tool._act

    def guarded(self: Tool[Any], choice: Choice, line: CommandLine) -> int:
        assert "help" in choice.frame, f"{self.name} would run"
        return act(self, choice, line)

    monkeypatch.setattr(Tool, "_act", guarded)


def tool_of(name: str) -> Tool[Any]:
    tool: Tool[Any] = importlib.import_module(f"pyebpf.tools.{name}").tool
    return tool


def flags_of(name: str) -> set[str]:
    return {flag for option in tool_of(name).command_line().options for flag in option.flags}


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_them_or_says_why_not(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    tool, flags = tool_of(name), flags_of(name)
    missing = [flag for flag in OF_TASKS if flag not in flags]
    if missing:
        assert tool.main([f"{missing[0]}=5"]) == 2
        assert f"{name}: there is no {missing[0]} here: " in capsys.readouterr().err
        assert tool.main(["--help"]) == 0
        assert f"\nThere is no {', '.join(missing)}:\n" in capsys.readouterr().out
    else:
        assert tool.command_line().lacking() == ""


@pytest.mark.parametrize("name", TOOLS)
def test_a_number_that_no_process_has_is_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for flag in {"--pid", "--tid"} & flags_of(name):
        for number in (-5, 4 << 20):
            assert tool_of(name).main([f"{flag}={number}"]) == 2
            said = capsys.readouterr().err
            assert f"no process or thread has the number {number}\n" in said


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_that_knows_processes_runs_commands(name: str) -> None:
    flags = flags_of(name)
    assert ("--pid" in flags) == ("--exec" in flags)
    assert ("--cgroup" in flags) == ("--follow" in flags)


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_that_reports_shows_what_has_most(name: str) -> None:
    reports = tool_of(name)._report is not None
    assert ("--top" in flags_of(name)) == (reports and name not in OF_ONE)


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_has_json_and_csv(name: str) -> None:
    assert {"--json", "--csv"} <= flags_of(name)


@pytest.mark.parametrize("name", TOOLS)
def test_every_help_has_examples_and_fits_a_terminal(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool_of(name).main(["--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) < 80
    examples, _, statuses = text.partition("\nexamples:\n")[2].partition("\nexit status:\n")
    assert f"  {name} " in examples
    assert "  130 " in statuses


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_that_loads_programs_says_what_they_cost(name: str) -> None:
    asked = {"--cost", "--max-overhead"} & flags_of(name)
    assert len(asked) == (2 if tool_of(name)._loads else 0)
