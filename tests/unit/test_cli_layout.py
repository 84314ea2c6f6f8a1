"""Reports as rows of a table that grows, and as screens."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import numpy as np
import pytest

from pyebpf import Const
from pyebpf.cli import Column, Part, Rolling, Screen, Stamped
from pyebpf.cli import layout as layouts
from pyebpf.dsl.constants import value_of
from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist
from pyebpf.present.stacks import CountedStack, StackCounts
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


def hists() -> KeyedHist:
    empty = Hist.log2(np.zeros(8, np.uint64), unit="us")
    counts = {"a": 2, "b": 3, "c": 1}
    by_key = {name: empty.counted(np.full(8, n, np.uint64), None) for name, n in counts.items()}
    return KeyedHist(by_key, empty, section="disk")


def test_what_has_most_of_anything() -> None:
    table = [{"n": n} for n in (2, 9, 5)]
    assert layouts.largest(table, 2, "first") == [{"n": 2}, {"n": 9}]
    assert layouts.largest(table, 2, "last") == [{"n": 9}, {"n": 5}]
    assert layouts.largest(table, 1, lambda row: row["n"]) == [{"n": 9}]
    assert layouts.largest(table, 2, lambda row: row["n"]) == [{"n": 9}, {"n": 5}]
    assert layouts.largest(table, 5, lambda row: row["n"]) == table
    assert set(layouts.largest(hists(), 2, "first")) == {"a", "b"}
    stacks = StackCounts([CountedStack("x", (), (), 1), CountedStack("y", (), (), 7)], unit="us")
    assert str(layouts.largest(stacks, 1, "first")) == "y 7"
    assert layouts.largest(stacks, 1, "first").unit == "us"
    assert layouts.largest({"hits": 3}, 1, "first") == {"hits": 3}


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (
            Hist.log2(np.array([0, 2, 1], np.uint64), unit="us"),
            ["ts,low,high,count", "0,1,0", "2,3,2", "4,7,1"],
        ),
        (
            hists().top(1).named("disk", lambda key: f'"{key},'),
            [
                "ts,disk,low,high,count",
                *(f'"""b,",{2**n & ~1},{2 ** (n + 1) - 1},3' for n in range(8)),
            ],
        ),
        (
            StackCounts([CountedStack("x;y", ("main", "a<b,c>"), ("k",), 7)], unit="us"),
            ["ts,stack,us", '"x:y;main;a<b,c>;k",7'],
        ),
        (
            [Hist.log2(np.array([1], np.uint64), unit="us")] * 2,
            ["ts,low,high,count", *["0,1,1"] * 2],
        ),
        ({"hits": 3}, ["ts,hits", "3"]),
    ],
)
def test_any_result_as_values_between_commas(
    result: Any, lines: list[str], sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_tool(report=lambda _: result).main(["--csv", "0.01", "1"]) == 0
    names, *found = capsys.readouterr().out.splitlines()
    assert [names, *(line.partition(",")[2] for line in found)] == lines


def both(_: Any) -> list[dict[str, Any]]:
    return [{"name": "b", "n": 7}, {"name": "a", "n": 1}]


def test_top_in_every_format(sessions: list[Pretended], capsys: pytest.CaptureFixture[str]) -> None:
    tool = make_tool(report=both, layout=Rolling(COLUMNS))
    assert tool.main(["--top", "1", "0.01", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["b           7"]
    assert tool.main(["--top=1", "-j", "0.01", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert make_tool(report=both, layout=Rolling(COLUMNS), most="none").main(["--top=1"]) == 2
    assert "option --top not recognized" in capsys.readouterr().err


def test_a_tool_may_have_an_option_of_its_own_for_it(
    sessions: list[Pretended], capsys: pytest.CaptureFixture[str]
) -> None:
    rows_at_most = Const(1, "-r", "--maxrows", "--top")
    tool = make_tool(report=both, layout=Rolling(COLUMNS), top=rows_at_most, most="last")
    sys.modules["counted"].rows_at_most = rows_at_most  # type: ignore[attr-defined]
    assert tool.main(["0.01", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["a           1"]
    assert tool.main(["-r", "2", "0.01", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == 3
    with pytest.warns(RuntimeWarning, match="map 'started' was full"):
        assert tool.run(0.01) == [{"name": "a", "n": 1}]
