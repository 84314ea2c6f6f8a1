"""Diagnostics as text: place, line, caret, help."""

from __future__ import annotations

from typing import ClassVar

import pytest

from pyebpf.diag import Diagnostic, Diagnostics, Source, Span, render
from pyebpf.errors import CompileError

TEXT = "a = 1\nbb = größe + 日本\n\tc = a\nlast(\n  1,\n)\n"
SOURCE = Source("probe.py", TEXT)


class Odd(Diagnostic):
    code: ClassVar[str] = "E9999"
    title: ClassVar[str] = "`{name}` is odd"
    label: ClassVar[str] = "odd{tail}"
    help: ClassVar[str] = "{advice}"
    name: str
    tail: str = ""
    advice: str = ""


def test_a_line_with_a_caret() -> None:
    item = Odd(Span(SOURCE, 2, 5, 2, 10), name="größe", tail=" here", advice="even it out")
    assert render(item) == (
        "error[E9999]: `größe` is odd\n"
        " --> probe.py:2:6\n"
        "  |\n"
        "2 | bb = größe + 日本\n"
        "  |      ^^^^^ odd here\n"
        "  |\n"
        "  = help: even it out"
    )


class Odder(Odd):
    origin_label: ClassVar[str] = "`{name}` began here"
    origin: Span | None = None


def test_where_it_began_is_shown_in_the_order_of_the_lines() -> None:
    late, early = Span(SOURCE, 6, 0, 6, 1), Span(SOURCE, 1, 0, 1, 1)
    lines = render(Odder(late, name="a", origin=early)).splitlines()
    assert lines[1:3] == [" --> probe.py:6:1", "  |"]
    assert lines[3:] == ["1 | a = 1", "  | - `a` began here", " ...", "6 | )", "  | ^ odd", "  |"]
    lines = render(Odder(early, name="a", origin=late)).splitlines()
    assert lines[1:3] == [" --> probe.py:1:1", "  |"]
    assert lines[3:] == ["1 | a = 1", "  | ^ odd", " ...", "6 | )", "  | - `a` began here", "  |"]


def test_where_it_began_is_not_shown_twice_in_one_line() -> None:
    place = Span(SOURCE, 2, 5, 2, 10)
    there = Odder(place, name="x", origin=Span(SOURCE, 2, 0, 2, 2))
    assert render(there) == render(Odder(place, name="x"))


def test_where_it_began_can_be_another_file() -> None:
    other = Source("shared.py", "\n" * 11 + "x = Hash()\n")
    text = render(Odder(Span(SOURCE, 1, 0, 1, 1), name="x", origin=Span(other, 12, 0, 12, 10)))
    assert text.splitlines()[1:] == [
        "  --> probe.py:1:1", "   |", " 1 | a = 1", "   | ^ odd", "   |",
        "  ::: shared.py:12:1", "   |", "12 | x = Hash()", "   | ---------- `x` began here", "   |",
    ]  # fmt: skip


def test_tabs_count_one_column() -> None:
    lines = render(Odd(Span(SOURCE, 3, 1, 3, 2), name="c")).splitlines()
    assert lines[1:5] == [" --> probe.py:3:2", "  |", "3 |  c = a", "  |  ^ odd"]


def test_a_range_over_lines_is_marked_to_the_end_of_its_first() -> None:
    lines = render(Odd(Span(SOURCE, 4, 0, 6, 1), name="last")).splitlines()
    assert lines[3:5] == ["4 | last(", "  | ^^^^^ odd"]


def test_the_gutter_is_as_wide_as_the_number() -> None:
    source = Source("long.py", "\n" * 99 + "x\n")
    lines = render(Odd(Span(source, 100, 0, 100, 1), name="x", advice="no")).splitlines()
    assert lines[1:] == [
        "   --> long.py:100:1", "    |", "100 | x", "    | ^ odd", "    |", "    = help: no"
    ]  # fmt: skip


def test_without_a_place_there_is_only_the_headline() -> None:
    assert render(Odd(None, name="x")) == "error[E9999]: `x` is odd"
    assert render(Odd(None, name="x", advice="y")) == "error[E9999]: `x` is odd\n = help: y"


def test_an_empty_range_still_has_a_caret() -> None:
    assert render(Odd(Span(SOURCE, 1, 2, 1, 2), name="x")).splitlines()[4] == "  |   ^ odd"


def test_faults_come_once_each_and_in_the_order_of_the_source() -> None:
    found = Diagnostics()
    found.raise_errors()  # nothing yet
    late, early = (Odd(Span(SOURCE, line, 0, line, 1), name=str(line)) for line in (3, 1))
    for item in (late, early, late):
        found.report(item)
    assert found.has_errors()
    with pytest.raises(CompileError) as refusal:
        found.raise_errors()
    assert refusal.value.diagnostics == (early, late)
    assert str(refusal.value) == f"{render(early)}\n\n{render(late)}"
    assert refusal.value._render_traceback_() == str(refusal.value).splitlines()


def test_braces_in_what_is_shown_are_left_alone() -> None:
    assert Odd(None, name="{x} {0}").message == "`{x} {0}` is odd"


def test_lines_beyond_the_text_are_empty() -> None:
    assert [SOURCE.line(n) for n in (0, 1, 7, 99)] == ["", "a = 1", "", ""]


def test_the_caret_is_below_what_it_means_after_wide_characters() -> None:
    source = Source("wide.py", "x = '日本e\u0301' + nope\n")
    column = source.text.index("nope")
    shown = render(Odd(Span(source, 1, column, 1, column + 4), name="nope")).splitlines()
    assert shown[3] == "1 | x = '日本e\u0301' + nope"
    assert shown[4] == "  | " + " " * len("x = '....e' + ") + "^^^^ odd"


def test_lines_are_those_of_python() -> None:
    source = Source("feed.py", "a = 1\x0c\nb = '\u2028'\r\nc = 3\rd = 4")
    assert [source.line(n) for n in range(1, 6)] == [
        "a = 1\x0c",
        "b = '\u2028'",
        "c = 3",
        "d = 4",
        "",
    ]
