"""Command lines: what each kind of declaration makes of the words that follow."""

from __future__ import annotations

import getopt
import json
from collections.abc import Callable
from contextlib import suppress
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf import Const
from pyebpf.cli.options import (
    CommandLine,
    Option,
    UsageError,
    declared,
    numbers,
    scan,
    seconds,
    whole,
)
from pyebpf.cli.output import Losses, json_lines, teller
from pyebpf.errors import PyebpfError
from pyebpf.present.hist import Hist

quick = Const(False, "-q", "--quick-mode", help="go faster")
pid = Const(0, "-p", "--pid", help="only this process")
name = Const("", "-n", "--name", metavar="WORD")
even = Const(0, "--even", convert=lambda text: int(text) // 2 * 2)
loud = Const(True, "-s", "--silent")
hidden = Const(7)
where = Const("", "-w", "--where", bare="here")
more = Const(0, "-v", "--more", counted=True)
ports: tuple[int, ...] = Const((), "-P", "--ports", convert=numbers)
NAMES = [
    ("quick", quick), ("pid", pid), ("name", name), ("even", even), ("loud", loud),
    ("hidden", hidden), ("other", 3), ("where", where), ("more", more), ("ports", ports),
]  # fmt: skip


@pytest.fixture
def line() -> CommandLine:
    return CommandLine(declared(NAMES), reports=True)


@pytest.mark.parametrize(
    ("argv", "const", "value"),
    [
        (["-q"], quick, True),
        (["--quick"], quick, True),
        (["-s"], loud, False),
        (["-p", "12"], pid, 12),
        (["-p0x10"], pid, 16),
        (["--pid=12"], pid, 12),
        (["-qp", "12"], pid, 12),
        (["1", "-n", "x y"], name, "x y"),
        (["--even", "7"], even, 6),
        (["-w"], where, "here"),
        (["--where", "-q"], where, "here"),
        (["-w", "there"], where, "there"),
        (["-wthere"], where, "there"),
        (["-w", "there", "--", "1"], where, "there"),
        (["-vv", "--more"], more, 3),
        (["-P", "80"], ports, (80,)),
        (["--ports=80,0x1bb"], ports, (80, 443)),
    ],
)
def test_values(line: CommandLine, argv: list[str], const: object, value: object) -> None:
    assert line.parse(argv).consts[const] == value  # type: ignore[index]


def test_nothing_given_is_nothing_chosen(line: CommandLine) -> None:
    choice = line.parse([])
    assert (choice.consts, choice.frame, choice.interval_s, choice.times) == ({}, {}, None, None)


def test_interval_and_duration_as_flags() -> None:
    line = CommandLine(declared(NAMES), reports=True, letters=["-i", "-d"])
    choice = line.parse(["-i", "2", "-d", "3"])
    assert (choice.interval_s, choice.frame) == (2, {"duration": 3})
    assert line.parse(["--interval", "2", "--duration", "3"]) == choice
    assert "-d, --duration SECONDS" in line.help()


def test_the_number_of_outputs_as_a_flag() -> None:
    line = CommandLine([], reports=True, letters=["-n"])
    assert line.parse(["-n", "3", "2"]).times == line.parse(["2", "3"]).times == 3
    assert line.parse(["2"]).times is None
    with pytest.raises(UsageError, match="-n: '0' is no count"):
        line.parse(["-n", "0"])


def test_what_is_looked_at_once_has_no_intervals() -> None:
    line = CommandLine(declared(NAMES), reports=True, loads=False)
    assert line.usage("look") == "usage: look [options]"
    assert "--json" in line.help()
    for words in (["1"], ["--explain"], ["--duration", "1"]):
        with pytest.raises(UsageError):
            line.parse(words)


def test_interval_and_count_stand_anywhere(line: CommandLine) -> None:
    choice = line.parse(["0.5", "-qT", "3", "--json"])
    assert (choice.interval_s, choice.times) == (0.5, 3)
    assert choice.frame == {"timestamp": True, "json": True}


def test_a_tool_without_a_report_has_no_interval() -> None:
    bare = CommandLine([], reports=False)
    assert bare.usage("x") == "usage: x [options]"
    for argv in (["1"], ["-T"], ["--json"]):
        with pytest.raises(UsageError):
            bare.parse(argv)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-z"], "option -z not recognized"),
        (["--nothing"], "option --nothing not recognized"),
        (["-p"], "option -p requires argument"),
        (["-p", "x"], "-p: 'x' is no whole number"),
        (["--even", "x"], "--even: invalid literal"),
        (["x"], "interval: 'x' is no number of seconds above 0"),
        (["1", "0"], "count: '0' is no count"),
        (["1", "2", "3"], "'3' is one argument too many"),
        (["--duration", "inf"], "--duration: 'inf' is no number of seconds"),
    ],
)
def test_faults(line: CommandLine, argv: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        line.parse(argv)
    assert said in str(caught.value)


def test_flags_of_the_tool_come_before_those_of_the_frame() -> None:
    tls = Const(False, "-T", "--tls")
    own = CommandLine(declared([("tls", tls)]), reports=True)
    choice = own.parse(["-T", "--timestamp"])
    assert choice.consts == {tls: True}
    assert choice.frame == {"timestamp": True}


def test_names_for_keyword_arguments() -> None:
    short = Const(False, "-x")
    options = declared([*NAMES, ("short", short)])
    assert [o.name for o in options] == [
        "quick_mode", "pid", "name", "even", "silent", "where", "more", "ports", "short"
    ]  # fmt: skip


def test_help_aligns_and_names_arguments(line: CommandLine) -> None:
    rows = line.help().splitlines()
    assert "  -q, --quick-mode        go faster" in rows
    assert "  -n, --name WORD" in rows
    assert "  --even EVEN" in rows
    assert max(map(len, rows)) <= 80


device, port = Const("lo", "device", help="of the network"), Const(80, "port")


def placed(*, reports: bool) -> CommandLine:
    return CommandLine(
        declared([("device", device), ("pid", pid), ("port", port)]), reports=reports
    )


@pytest.mark.parametrize(
    ("argv", "consts", "interval"),
    [
        ([], {}, None),
        (["eth0"], {device: "eth0"}, None),
        (["eth0", "-p", "3", "443"], {device: "eth0", port: 443, pid: 3}, None),
        (["eth0", "443", "0.5"], {device: "eth0", port: 443}, 0.5),
    ],
)
def test_arguments_by_their_place(
    argv: list[str], consts: dict[object, object], interval: float | None
) -> None:
    choice = placed(reports=True).parse(argv)
    assert (choice.consts, choice.interval_s) == (consts, interval)


def test_arguments_by_their_place_are_explained() -> None:
    line = placed(reports=True)
    assert line.usage("x") == "usage: x [options] [device [port [interval [count]]]]"
    assert placed(reports=False).usage("x") == "usage: x [options] [device [port]]"
    assert line.help().splitlines()[0] == "  device                  of the network"
    with pytest.raises(UsageError, match="port: 'http' is no whole number"):
        line.parse(["eth0", "http"])
    with pytest.raises(UsageError, match="'1' is one argument too many"):
        placed(reports=False).parse(["eth0", "80", "1"])


@pytest.mark.parametrize("wrong", [Const("", "one", "-o"), Const(False, "switch")])
def test_arguments_by_their_place_have_one_name_and_are_no_switches(wrong: object) -> None:
    with pytest.raises(PyebpfError, match="has one name and is no switch"):
        declared([("wrong", wrong)])


def test_the_last_argument_may_come_several_times() -> None:
    first, rest = Const("", "first"), Const((), "rest", convert=lambda text: (text,), merge=add)
    made = CommandLine(declared([("first", first), ("rest", rest)]), reports=False, lines=True)
    assert made.parse(["a", "b", "c", "d"]).consts == {first: "a", rest: ("b", "c", "d")}
    assert made.parse(["a"]).consts == {first: "a"}
    assert made.usage("tool") == "usage: tool [options] [first [rest …]]"
    assert made.parse(["-d", "2", "a", "b"]).frame == {"duration": 2.0}


def test_the_letter_of_the_duration_may_be_a_capital() -> None:
    own = Const(False, "-d", "--delimited")
    made = CommandLine(declared([("own", own)]), reports=True, letters=["-D"])
    choice = made.parse(["-d", "-D", "3"])
    assert (choice.consts, choice.frame) == ({own: True}, {"duration": 3.0})


def test_what_ends_by_itself_has_no_duration() -> None:
    with pytest.raises(UsageError, match="--duration"):
        CommandLine([], reports=False, lasts=False).parse(["--duration", "1"])


@given(st.text(max_size=8), st.sampled_from([seconds, whole]))
def test_numbers_are_read_or_refused(text: str, read: Callable[[str], float]) -> None:
    said = ""
    try:
        assert read(text) is not None
    except ValueError as err:
        said = str(err)
    assert not said or repr(text) in said


@given(st.lists(st.text(st.characters(codec="ascii"), max_size=6), max_size=5))
def test_any_words_are_a_choice_or_a_usage_error(argv: list[str]) -> None:
    with suppress(UsageError):
        CommandLine(declared(NAMES), reports=True).parse(argv)


def test_one_value_of_several() -> None:
    flags = Const(0, "-f", merge=lambda one, other: one | other)
    line = CommandLine(declared([("flags", flags)]), reports=False)
    assert line.parse(["-f1", "-f4", "-f", "0x10"]).consts == {flags: 0x15}
    assert line.parse(["-f", "2"]).consts == {flags: 2}


def test_a_command_is_all_that_follows() -> None:
    line = CommandLine(declared(NAMES), reports=False, lines=True, starts=True)
    choice = line.parse(["-q", "--exec", "ls", "-q", "--exec"])
    assert choice.consts == {quick: True}
    assert list(choice.frame["exec"]) == ["ls", "-q", "--exec"]
    assert "exec" not in line.parse(["-q"]).frame
    with pytest.raises(UsageError, match="--exec: the command is missing"):
        line.parse(["--exec"])
    with pytest.raises(UsageError, match="not recognized"):
        CommandLine(declared(NAMES), reports=False, lines=True).parse(["--exec", "ls"])


def test_losses_are_told_once() -> None:
    losses = Losses()
    assert losses.news({}) == []
    (first,) = losses.news({"started": 5})
    assert "map 'started' was full: 5 updates" in first
    assert "more room (max_entries, max_keys, pages)" in first
    assert losses.news({"started": 5}) == []
    told = losses.news({"started": 7, "print": 2})
    assert [text.partition(":")[0] for text in told] == [
        "map 'started' was full",
        "2 lines are missing",
    ]


def test_json_of_each_kind_of_result() -> None:
    hist = Hist.log2([1, 2], "us")
    assert '"val_type": "usecs"' in json_lines(hist)
    assert json_lines({"a": 1}).endswith('"a": 1}\n')
    assert json_lines(3).endswith('"value": 3}\n')
    assert [line[-8:] for line in json_lines([{"a": 1}, {"a": 2}]).splitlines()] == [
        ' "a": 1}',
        ' "a": 2}',
    ]
    assert json_lines([]) == ""


def test_lines_beside_reports(capsys: pytest.CaptureFixture[str]) -> None:
    teller(())('a "b"\n')
    assert capsys.readouterr() == ('a "b"\n', "")
    teller({"csv": True})('a "b"\n')
    assert capsys.readouterr() == ("", 'a "b"\n')
    teller({"json": True})('a "b"\n')
    said = capsys.readouterr()
    assert (json.loads(said.out)["printed"], said.err) == ('a "b"', "")


def test_a_tool_that_reports_once_has_a_duration() -> None:
    line = CommandLine(declared(NAMES), reports=True, single=True)
    choice = line.parse(["2.5", "-q"])
    assert (choice.frame, choice.interval_s, choice.times) == ({"duration": 2.5}, None, None)
    with pytest.raises(UsageError, match="'3' is one argument too many"):
        line.parse(["2", "3"])
    with pytest.raises(UsageError, match="duration: 'x' is no number of seconds"):
        line.parse(["x"])
    assert line.usage("tool") == "usage: tool [options] [duration]"
    assert "until Ctrl-C" in line.help()


def test_a_tool_with_lines_has_no_intervals_though_it_reports_too() -> None:
    line = CommandLine(declared(NAMES), reports=True, lines=True, stamps=False)
    with pytest.raises(UsageError, match="'1' is one argument too many"):
        line.parse(["1"])
    assert line.usage("tool") == "usage: tool [options]"


def test_values_may_be_asked_for_by_a_letter() -> None:
    line = CommandLine([], reports=False, lines=True, letters=["-s"])
    assert line.parse(["-s"]).frame == line.parse(["--csv"]).frame == {"csv": True}
    assert line.help().count("--csv") == 1
    with pytest.raises(UsageError):
        CommandLine([], reports=False, lines=True).parse(["-s"])


def test_a_command_in_quotes_is_one_for_exec() -> None:
    line = CommandLine(declared(NAMES), reports=True, starts=True, letters=["-c"])
    assert line.parse(["-c", "work --how 'so so'"]).frame == {"exec": ["work", "--how", "so so"]}
    assert line.parse(["--exec", "work", "-c"]).frame == {"exec": ["work", "-c"]}
    with pytest.raises(UsageError, match="-c: the command is missing"):
        line.parse(["-c", " "])
    with pytest.raises(UsageError, match="No closing quotation"):
        line.parse(["-c", "'x"])


# -- as other programs read theirs

LIKE_OTHERS = (
    Option("all", "all", ("-a", "--all"), "", ""),
    Option("disk", "disk", ("-d", "--disk"), "DISK", ""),
    Option("diskless", "diskless", ("--diskless",), "", ""),
    Option("top", "top", ("-T", "--top"), "N", ""),
    Option("total", "total", ("--total",), "", ""),
)
PIECES = (
    "-a -d -T -x -ad -da -dsda -aT5 - -- --all --al --a --disk --dis --diskl --disk=sda --all=1 "
    "--to --top=5 --top= --tot --none --=1 sda 5"
)


def by_getopt(argv: list[str]) -> tuple[list[tuple[str, str]], list[str]] | str:
    try:
        return getopt.gnu_getopt(argv, "ad:T:", ["all", "disk=", "diskless", "top=", "total"])
    except getopt.GetoptError as err:
        return err.msg


@given(st.lists(st.sampled_from(PIECES.split()), max_size=6), st.booleans())
def test_options_are_read_as_getopt_reads_them(argv: list[str], posixly: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("POSIXLY_CORRECT", raising=False)
        if posixly:
            patch.setenv("POSIXLY_CORRECT", "1")
        theirs = by_getopt(argv)
        if isinstance(theirs, str):
            with pytest.raises(UsageError) as refusal:
                scan(LIKE_OTHERS, argv)
            # Since Python 3.14 it goes on with what an ambiguous option may mean.
            assert str(refusal.value).startswith(theirs.partition(";")[0])
            return
        found, words = scan(LIKE_OTHERS, argv)
    taken, rest = theirs
    by_flag = {flag: option for option in LIKE_OTHERS for flag in option.flags}
    assert words == rest
    assert [(option.key, value) for option, value in found] == [
        (by_flag[flag].key, text if by_flag[flag].metavar else True) for flag, text in taken
    ]
