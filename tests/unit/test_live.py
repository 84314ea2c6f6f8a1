"""Screens that obey keys, at a terminal of their own: keys, sizes, and every way out."""

from __future__ import annotations

import re
import signal
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from pyebpf.cli.live import Sorting
from tests.terminal import Terminal, at_terminal

#: A tool with a screen, around a session that only pretends.
PROGRAM = """
import sys
from contextlib import contextmanager
from pyebpf import Const
from pyebpf.cli import Column, Screen, tool as framed
from tests.unit.test_cli import make_tool
from tests.unit.test_cli_layout import Optional

@contextmanager
def load(*_, options):
    yield Optional(options, {})

ROWS = [("sh", 7, 5.5), ("bash", 3, None), ("cat", 12, 1.25), ("a-name-that-is-long" * 9, 1, 0.5)]

def report(session):
    session.asked += 1
    if session.asked == FAILS_AT:
        raise OSError("no more of this")
    return [{"name": f"{name}", "n": n, "ms": ms} for name, n, ms in ROWS] + [
        {"name": "asked", "n": 1000 + session.asked, "ms": 0.0}]

framed.load = load
keep = Const(False, "-C", "--noclear")
screen = Screen([Column("NAME", 8), Column("N", 6, ">"), Column("ms", 6, ">", ".2f")], keep=keep)
tool = make_tool(report=report, layout=screen, interval_s=0.05, header="Head")
sys.modules["counted"].keep = keep
raise SystemExit(tool.main(sys.argv[1:]))
"""


@contextmanager
def counted(*args: str, fails_at: int = 0, **words: int) -> Iterator[Terminal]:
    with at_terminal("-c", PROGRAM.replace("FAILS_AT", str(fails_at)), *args, **words) as terminal:
        yield terminal


def status(terminal: Terminal, text: str) -> list[str]:
    return terminal.screen(lambda lines: lines[1].startswith(text))


def ended(terminal: Terminal) -> int:
    """Wait for the end, and see that the terminal is as it was."""
    code = terminal.end()
    assert termios.tcgetattr(terminal.device) == terminal.before
    assert terminal.seen.count("\x1b[?25l") == terminal.seen.count("\x1b[?25h") > 0
    return code


def names(lines: list[str]) -> list[str]:
    return [line.split()[0][:5] for line in lines[3:]]


def test_keys_sort_pause_and_quit() -> None:
    with counted() as terminal:
        lines = status(
            terminal, "sorted: as reported  (< > or 1-9 sort, r reverse, p pause, q quit)"
        )
        assert re.match(r"\d\d:\d\d:\d\d loadavg: ", lines[0])
        assert lines[2].split() == ["NAME", "N", "ms"]
        assert names(lines) == ["sh", "bash", "cat", "a-nam", "asked"]
        terminal.press(">")
        assert names(status(terminal, "sorted: NAME ")) == ["a-nam", "asked", "bash", "cat", "sh"]
        terminal.press("2")
        assert names(status(terminal, "sorted: N ")) == ["asked", "cat", "sh", "bash", "a-nam"]
        terminal.press("r")
        lines = status(terminal, "sorted: N, reversed ")
        assert names(lines) == ["a-nam", "bash", "sh", "cat", "asked"]
        terminal.press("\x1b[C")  # an arrow
        lines = status(terminal, "sorted: ms ")
        assert names(lines) == ["sh", "cat", "a-nam", "asked", "bash"], "what has none is last"
        terminal.press(">p")
        shown = status(terminal, "PAUSED  sorted: as reported ")
        time.sleep(0.3)
        assert terminal.screens()[-1] == shown, "six intervals later"
        terminal.press(" ")
        terminal.screen(lambda lines: lines[-1] > shown[-1])
        terminal.press("q")
        assert ended(terminal) == 0
        assert "Head" in terminal.seen


def test_what_does_not_fit_is_cut_and_another_size_is_drawn_at_once() -> None:
    with counted("100", lines=7, columns=40) as terminal:  # no second interval
        terminal.press("q")
        assert ended(terminal) == 0
    with counted(lines=6, columns=40) as terminal:
        lines = status(terminal, "sorted")
        assert len(lines) == 5
        assert max(map(len, lines)) <= 40
        terminal.press("1")
        assert max(map(len, status(terminal, "sorted: NAME"))) == 40
        terminal.press("p")
        status(terminal, "PAUSED")
        terminal.resize(20, 100)
        lines = terminal.screen(lambda lines: len(lines) == 8)
        assert max(map(len, lines)) == 100
        terminal.press("q")
        ended(terminal)


def interrupted(terminal: Terminal) -> None:
    terminal.press("\x03")


def terminated(terminal: Terminal) -> None:
    terminal.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("way", [interrupted, terminated])
def test_it_ends_in_order_when_asked_to(way: Callable[[Terminal], None]) -> None:
    with counted() as terminal:
        status(terminal, "sorted")
        way(terminal)
        assert ended(terminal) == 0


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGHUP])
def test_the_terminal_is_as_it_was_when_it_is_killed(number: signal.Signals) -> None:
    with counted() as terminal:
        status(terminal, "sorted")
        terminal.process.send_signal(number)
        assert ended(terminal) == -number


def test_the_terminal_is_as_it_was_when_something_fails() -> None:
    with counted(fails_at=3) as terminal:
        assert ended(terminal) == 1
        assert "counted: no more of this" in terminal.seen


def test_the_terminal_is_as_it_was_at_the_end_of_the_time() -> None:
    with counted("--duration", "0.5") as terminal:
        status(terminal, "sorted")
        terminal.press("p")
        status(terminal, "PAUSED")
        assert ended(terminal) == 0


def test_stopped_it_gives_the_terminal_back_and_takes_it_again() -> None:
    with counted() as terminal:
        status(terminal, "sorted")
        terminal.press("\x1a")
        terminal.wait(lambda: termios.tcgetattr(terminal.device) == terminal.before)
        terminal.wait(terminal.is_stopped)
        count = len(terminal.screens())
        terminal.process.send_signal(signal.SIGCONT)
        terminal.wait(lambda: len(terminal.screens()) > count)
        assert termios.tcgetattr(terminal.device) != terminal.before
        terminal.press("q")
        assert ended(terminal) == 0


@pytest.mark.parametrize("flags", [("-C",), ("--json",), ("--csv",)])
def test_plain_lines_have_no_keys(flags: tuple[str, ...]) -> None:
    with counted(*flags, "0.05", "2") as terminal:
        assert terminal.end() == 0
        assert "\x1b" not in terminal.seen
        assert terminal.seen.count("asked") == 2


def test_at_a_terminal_that_sends_no_signals_there_are_no_keys() -> None:
    with counted("0.05", "2", controls=False) as terminal:
        assert terminal.end() == 0
        assert terminal.seen.count("\x1b[H\x1b[2J") == 2  # one screen replaces the other
        assert "sorted" not in terminal.seen


def test_orders_of_rows() -> None:
    rows = [{"n": 1, "t": "b"}, {"n": None, "t": "a"}, {"n": 3, "t": "c"}]
    fields = ["n", "t"]
    assert Sorting().of(rows, fields) == rows
    assert Sorting(reverse=True).of(rows, fields) == rows[::-1]
    assert [row["n"] for row in Sorting(0).of(rows, fields)] == [3, 1, None]
    assert [row["n"] for row in Sorting(0, reverse=True).of(rows, fields)] == [1, 3, None]
    assert [row["t"] for row in Sorting(1).of(rows, fields)] == ["a", "b", "c"]
