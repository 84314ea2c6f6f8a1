"""Reports as rows of a table that grows, and as screens."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from pyebpf import Const
from pyebpf.cli import Column, Part, Rolling, Screen, Stamped
from pyebpf.cli import layout as layouts
from pyebpf.dsl.constants import value_of
from tests.unit.test_cli import Pretended, make_tool, sessions

__all__ = ["sessions"]

KEEP = Const(False, "-C", "--noclear")
QUIET = Const(False, "-S", "--nosummary")
COLUMNS = [Column("NAME", 8), Column("N", 4, ">")]
TIME = r"\d\d:\d\d:\d\d"


class Optional(Pretended):
    """A session that knows an option."""

    def option(self, const: Any) -> Any:
        return value_of(const, self.options)


def rows(session: Any) -> list[dict[str, Any]]:
    session.asked += 1
    return [{"name": "a\x1b[2J", "n": session.asked}, {"name": "b", "n": 1}][: session.asked]


def test_a_table_grows(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    tool = make_tool(report=rows, layout=Rolling([Column("TIME", 8), *COLUMNS]), header="Head")
    assert tool.main(["0.01", "2"]) == 0
    head, titles, *lines = capsys.readouterr().out.splitlines()
    assert (head, titles) == ("Head", "TIME     NAME        N")
    assert [re.sub(f"^{TIME} ", "", line) for line in lines] == [
        r"a\x1b[2J    1", r"a\x1b[2J    2", "b           1",
    ]  # fmt: skip


def test_a_table_has_no_titles_in_json(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = make_tool(report=rows, layout=Rolling(COLUMNS))
    assert tool.main(["-j", "0.01", "1"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["name"] == "a\x1b[2J"


def test_a_table_as_values_between_commas(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = make_tool(report=rows, layout=Rolling(COLUMNS), header="Head")
    assert tool.main(["--csv", "0.01", "2"]) == 0
    names, *lines = capsys.readouterr().out.splitlines()
    assert names == "ts,name,n"
    assert [line.partition(",")[2] for line in lines] == [
        r"a\x1b[2J,1", r"a\x1b[2J,2", "b,1"
    ]  # fmt: skip


def test_the_time_of_day_is_above_a_text_unless_an_option_says_no() -> None:
    layout, without, plain = Stamped(KEEP), Optional({KEEP: True}, {}), Optional({}, {})
    assert re.fullmatch(f"{TIME}:\nsaid\n", layout.text(plain, "said"))
    assert re.fullmatch(f"{TIME}:\n", layout.text(plain, ""))
    assert (layout.text(without, "said"), layout.text(without, "")) == ("said\n", "")
    assert (layout.lead, layout.begin()) == ("\n", "")


def test_a_header_may_be_made_of_the_session(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    make_tool(header=lambda session: f"Seen {session.asked}").main(["0.01", "1"])
    assert capsys.readouterr().out.startswith("Seen 0\n")
    make_tool(header=lambda _: "").main(["0.01", "1"])
    assert capsys.readouterr().out.startswith("\n")


def test_a_tool_may_make_one_report_unless_it_is_told_otherwise(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    tool = make_tool(report=rows, layout=Rolling(COLUMNS), times=1)
    for words, lines in ((["0.01"], 1), (["0.01", "2"], 3)):
        assert tool.main(words) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1 + lines


@pytest.mark.parametrize("layout", [Rolling(COLUMNS), Screen(COLUMNS, KEEP), Stamped(KEEP)])
def test_the_time_is_there_without_an_option(
    layout: Any, sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_tool(report=rows, layout=layout).main(["-T"]) == 2
    assert "option -T not recognized" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminal", "name", "options", "clears"),
    [
        (True, "xterm", {}, True),
        (True, "xterm", {KEEP: True}, False),
        (True, "dumb", {}, False),
        (False, "xterm", {}, False),
    ],
)
def test_only_a_terminal_is_cleared(
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    name: str,
    options: dict[Any, Any],
    clears: bool,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", name)
    session: Any = Optional(options, {})
    text = Screen(COLUMNS, KEEP).text(session, rows(session))
    assert text.startswith(layouts.CLEAR if clears else "\n")
    plain = text.removeprefix(layouts.CLEAR).removeprefix("\n")
    assert re.fullmatch(rf"{TIME} loadavg: .*\n\nNAME        N\na\\x1b\[2J    1\n", plain)


def test_a_screen_of_several_tables_without_the_load() -> None:
    few = Part(COLUMNS, lambda row: row if row["n"] < 2 else None)
    many = Part(COLUMNS[1:], lambda row: {"n": -row["n"]} if row["n"] > 2 else None)
    none = Part(COLUMNS, lambda _: None)
    screen = Screen((), KEEP, quiet=QUIET, parts=(none, few, many))
    session: Any = Optional({QUIET: True}, {})
    loud: Any = Optional({}, {})
    result = [{"name": "a", "n": 1}, {"name": "b", "n": 2}, {"name": "c", "n": 3}]
    assert screen.text(session, result) == "\nNAME        N\na           1\n\n   N\n  -3\n"
    assert screen.text(session, []) == "\n"
    assert "loadavg" in screen.text(loud, result)


def test_the_usual_interval_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    make_tool(interval_s=1).main(["--help"])
    assert "seconds between outputs (default: 1)" in capsys.readouterr().out
    make_tool().main(["--help"])
    assert "seconds between outputs (default: one, at Ctrl-C)" in capsys.readouterr().out
