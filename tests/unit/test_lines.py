"""A line for each record, of a stream that only pretends."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyebpf import Char, Const, Events, chars, i32, record, u64
from pyebpf.cli.lines import Below, Clock, Column, Csv, Elapsed, Lines, widened
from pyebpf.cli.options import CommandLine
from pyebpf.cli.output import Losses
from pyebpf.host import journal
from pyebpf.present.escape import printable
from pyebpf.runtime import batches
from pyebpf.runtime.batches import Batch
from pyebpf.spec.dtype import numpy_dtype

wordy = Const(False, "-v")


@record
class Seen:
    ts_ns: u64
    ret: i32
    comm: Char = chars(8)
    path: Char = chars(32)


seen = Events[Seen]()
DTYPE = numpy_dtype(Seen.__pyebpf_record__)  # type: ignore[attr-defined]


class Pretended:
    """A session with a stream of a batch for each row; it is its stream, too."""

    name = "seen"

    def __init__(self, *rows: tuple[Any, ...], chosen: bool = False) -> None:
        self.batches = [np.array([row], DTYPE) for row in rows]
        self.chosen = chosen

    def option(self, const: Any) -> Any:
        return self.chosen if const is wordy else const

    def __getitem__(self, decl: object) -> Pretended:
        assert decl is seen
        return self

    def read(self, timeout_s: float = 0) -> Any:
        assert timeout_s >= 0
        return self.batches.pop(0) if self.batches else np.array([], DTYPE)

    def values(self, batch: Any) -> Iterator[Any]:
        return batches.values(seen.shape(), batch)


def followed(
    session: Pretended, lines: Lines, *, as_json: bool = False, as_csv: bool = False
) -> None:
    printer = lines.printer(session, json=as_json, csv=as_csv, tool="known")  # type: ignore[arg-type]
    assert printer.name == "seen"
    while session.batches:
        printer.wait(0.01)
    printer.wait()


ROWS = ((5, -2, b"a\x1b", "p\u00e9".encode()), (6, 0, b"much longer"[:8], b"x\xff"))
LINES = Lines(
    seen,
    Column("COMM", 6),
    Column("ERR", 4, ">", value=lambda _, row: -row.ret or None, absent="-"),
    Column("RET", 3, when=wordy),
    Column("QUIET", 3, value=lambda *_: 1, when=lambda session: not session.option(wordy)),
    Column("PATH", 0),
)


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    followed(Pretended(*ROWS), LINES)
    assert capsys.readouterr().out.splitlines() == [
        "COMM    ERR QUIET PATH",
        "a\\x1b     2 1   pé",
        "much lon    - 1   x\\xff",
    ]


class Late(Pretended):
    """Its stream is not to be opened yet: that imports numpy."""

    def __getitem__(self, decl: object) -> Pretended:
        raise RuntimeError("opened")


def test_the_header_is_there_before_the_stream_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="opened"):
        followed(Late(), LINES)
    assert capsys.readouterr().out == "COMM    ERR QUIET PATH\n"


def test_lines_below_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON they are a list."""
    below = Below("", 0, field="parts", value=lambda _, row: ["-", *row.comm])
    lines = Lines(seen, Column("RET", 4), below, Column("COMM", 0))
    followed(Pretended(ROWS[0]), lines)
    assert capsys.readouterr().out == (
        "RET  COMM\n-2   a\\x1b\n        -\n        a\n        \\x1b\n"
    )
    followed(Pretended(ROWS[0]), lines, as_json=True)
    assert json.loads(capsys.readouterr().out)["parts"] == ["-", "a", "\x1b"]


def test_so_many_lines_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(seen, Column("RET", 0), limit=3, keep=lambda _, row: row.ret)
    session = Pretended(*(ROWS * 5))
    printer = lines.printer(session, json=False)  # type: ignore[arg-type]
    while not printer.is_done:
        printer.wait()
    assert len(session.batches) == 5
    printer.wait()
    printer.end()
    assert capsys.readouterr().out == "RET\n-2\n-2\n-2\n"


def test_equal_lines_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(seen, Column("RET", 0), tally=wordy)
    printer = lines.printer(Pretended(*ROWS, ROWS[0], chosen=True), json=False)  # type: ignore[arg-type]
    for _ in range(3):
        printer.wait()
    assert capsys.readouterr().out == "RET\n"
    printer.end()
    assert capsys.readouterr().out == "0\n        1\n-2\n        2\n"


def test_options_choose_columns(capsys: pytest.CaptureFixture[str]) -> None:
    followed(Pretended(ROWS[0], chosen=True), LINES)
    assert capsys.readouterr().out.startswith("COMM    ERR RET PATH\na\\x1b     2 -2  pé\n")


def test_json_has_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    followed(Pretended(*ROWS), LINES, as_json=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"comm": "a\x1b", "err": 2, "quiet": 1, "path": "pé"},
        {"comm": "much lon", "err": None, "quiet": 1, "path": "x\\xff"},
    ]


def test_any_lines_as_values_between_commas(capsys: pytest.CaptureFixture[str]) -> None:
    followed(Pretended(*ROWS, (0, 0, b"null", b"")), LINES, as_csv=True)
    assert capsys.readouterr().out.splitlines() == [
        "comm,err,quiet,path", "a\\x1b,2,1,pé", "much lon,,1,x\\xff", "null,,1,",
    ]  # fmt: skip


def test_values_between_commas(capsys: pytest.CaptureFixture[str]) -> None:
    values = Csv(wordy, Column("RET", 0), Column("Path", 0), Column("QUIET", 0, when=False))
    lines = Lines(seen, Column("RET", 3), csv=values)
    given = ((0, -2, b"", b'a,"b"'), (0, 3, b"", b"c\nd"))
    followed(Pretended(*given, chosen=True), lines)
    assert capsys.readouterr().out.splitlines() == ["RET,Path", '-2,"a,""b"""', r"3,c\nd"]
    followed(Pretended(*given, chosen=False), lines)
    assert capsys.readouterr().out.splitlines() == ["RET", "-2", "3"]
    followed(Pretended(*given, chosen=True), lines, as_json=True)
    assert capsys.readouterr().out.splitlines() == ['{"ret": -2}', '{"ret": 3}']


def test_other_columns_for_programs_and_text_below(capsys: pytest.CaptureFixture[str]) -> None:
    below = Below(
        "WORDS",
        0,
        value=lambda _, row: ["a\n", str(row.ret)],
        drawn=lambda words: [*(f"\t{printable(word)}" for word in words), ""],
    )
    lines = Lines(seen, Column("RET", 3), below, values=(Column("ERR", 0, field="ret"), below))
    followed(Pretended((0, -2, b"", b""), (0, 3, b"", b"")), lines)
    assert capsys.readouterr().out == "RET\n-2\n\ta\\n\n\t-2\n\n3\n\ta\\n\n\t3\n\n"
    followed(Pretended((0, -2, b"", b"")), lines, as_json=True)
    assert capsys.readouterr().out == '{"ret": -2, "words": ["a\\n", "-2"]}\n'
    followed(Pretended((0, -2, b"", b"")), lines, as_csv=True)
    assert capsys.readouterr().out == "ret,words\n-2,a\\n;-2\n"


def test_only_some_records(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(seen, Column("RET", 3), keep=lambda session, row: row.ret == session.chosen)
    followed(Pretended(*ROWS), lines)
    assert capsys.readouterr().out == "RET\n0\n"


BELOW = (
    Column("RET", 3),
    Below("PARTS", 0, value=lambda _, row: [row.comm, row.path]),
    Below("MORE", 0, value=lambda _, row: row.ret, when=wordy, drawn=lambda ret: [f"  = {ret}"]),
)


def test_what_stands_below_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    followed(Pretended(ROWS[0], chosen=True), Lines(seen, *BELOW))
    assert capsys.readouterr().out.splitlines() == [
        "RET", "-2", "        a\\x1b", "        pé", "  = -2",
    ]  # fmt: skip
    followed(Pretended(ROWS[0]), Lines(seen, *BELOW), as_json=True)
    assert json.loads(capsys.readouterr().out) == {"ret": -2, "parts": ["a\x1b", "pé"]}


def test_a_sentence_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(seen, *BELOW, sentence=lambda values: f"It gave {values['ret']}.")
    followed(Pretended(ROWS[0]), lines)
    assert capsys.readouterr().out.splitlines() == [
        "It gave -2.", "        a\\x1b", "        pé",
    ]  # fmt: skip
    followed(Pretended(ROWS[0]), lines, as_csv=True)
    assert capsys.readouterr().out.splitlines()[0] == "ret,parts"


@record
class Other:
    ts_ns: u64
    ret: i32


both = Events[Seen | Other]()


class OfTwo(Pretended):
    """A session with a stream of records of two types."""

    def __getitem__(self, decl: object) -> Pretended:
        assert decl is both
        return self

    def read(self, timeout_s: float = 0) -> Any:
        assert timeout_s >= 0
        row = np.array([(5, 8, b"", b"")], DTYPE)
        others = np.array([(6, 7), (7, 9)], numpy_dtype(Other.__pyebpf_record__))  # type: ignore[attr-defined]
        batch = Batch(both.shape(), np.array([1, 0, 1], np.uint8), (row, others))
        return batch if self.batches and self.batches.pop(0) is not None else []

    def values(self, batch: Any) -> Iterator[Any]:
        return batches.values(both.shape(), batch)


def test_records_of_two_types_come_in_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    followed(OfTwo(ROWS[0]), Lines(both, Column("RET", 3)))
    assert capsys.readouterr().out.split() == ["RET", "7", "8", "9"]


def test_time_since_tracing_began(capsys: pytest.CaptureFixture[str]) -> None:
    before = time.monotonic_ns()
    stamp = before + 10_000_000_000
    followed(Pretended((stamp, 0, b"", b"")), Lines(seen, Elapsed("T", 9, field="ts_ns")))
    took_s = (time.monotonic_ns() - before) / 1e9
    assert 10 - took_s <= float(capsys.readouterr().out.split()[1]) <= 10


def test_times_are_called_by_what_they_are() -> None:
    columns = (Clock("TIME", 9, field="ts_ns"), Elapsed("TIME(s)", 9, field="ts_ns"))
    assert [column.name for column in columns] == ["time", "time_s"]


def test_time_of_day(capsys: pytest.CaptureFixture[str]) -> None:
    columns = (
        Clock("LOCAL", 9, field="ts_ns"),
        Clock("UTC", 13, field="ts_ns", utc=True, digits=3),
    )
    before = time.time_ns() // 1_000_000
    followed(Pretended((time.monotonic_ns(), 0, b"", b"")), Lines(seen, *columns))
    after = time.time_ns() // 1_000_000 + 1
    local, utc = capsys.readouterr().out.split()[2:]
    assert local in {time.strftime("%H:%M:%S", time.localtime(ms / 1e3)) for ms in (before, after)}
    hours, minutes, seconds = utc.split(":")
    of_day = int(hours) * 3_600_000 + int(minutes) * 60_000 + round(float(seconds) * 1_000)
    day = 86_400_000
    assert (of_day - before) % day <= after - before


def test_missing_lines_are_called_so() -> None:
    lost = Losses("seen").news({"seen": 2, "other": 3, "print": 1})
    assert [text.partition(":")[0] for text in lost] == [
        "2 lines are missing",
        "map 'other' was full",
        "1 lines are missing",
    ]


def test_options_of_a_tool_that_prints_lines() -> None:
    names = {option.name for option in CommandLine([], reports=False, lines=True).options}
    assert {"json", "duration"} <= names
    assert "timestamp" not in names


def test_a_column_that_an_option_widens(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(seen, *widened(Column("COMM", 4, cut=True), 9, wordy), Column("RET", 0))
    for chosen in (False, True):
        followed(Pretended(*ROWS[1:], chosen=chosen), lines)
    assert capsys.readouterr().out.splitlines() == [
        "COMM RET", "much 0", "COMM      RET", "much lon  0"
    ]  # fmt: skip


def test_lines_also_go_to_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines(seen, Column("COMM", 4), Column("RET", 0), journal=wordy)
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "journal"))
    with pytest.raises(FileNotFoundError):
        followed(Pretended(*ROWS, chosen=True), lines)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(journal.SOCKET)
        listening.settimeout(60)
        followed(Pretended(*ROWS, chosen=True), lines, as_json=True)
        entries = [listening.recv(1_000).decode() for _ in ROWS]
        assert capsys.readouterr().out.startswith('{"comm"')
        followed(Pretended(*ROWS, chosen=False), lines)
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.recv(1_000)
    assert entries == [
        f"MESSAGE={text}\nPRIORITY=6\nSYSLOG_IDENTIFIER=known\nKNOWN_COMM={comm}\nKNOWN_RET={ret}\n"
        for text, comm, ret in (("a\\x1b -2", "a\x1b", -2), ("much lon 0", "much lon", 0))
    ]
