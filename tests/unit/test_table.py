"""Tables, JSON lines, and text made safe to print."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.present import jsonl
from pyebpf.present.escape import printable
from pyebpf.present.hist import Hist
from pyebpf.present.table import Column, Table

OPENED = np.dtype([("pid", "u4"), ("lat", "f8"), ("comm", "S8"), ("args", "u2", (2,))])


def table() -> Table:
    return Table(
        Column("PID", 6),
        Column("COMM", 8, cut=True),
        Column("LAT(ms)", 8, ">", ".2f", field="lat"),
        Column("PATH", 0),
    )


def test_columns() -> None:
    lines = [
        table().header(),
        table().row(7, "bash", 1.5, "/etc/passwd"),
        table().row(np.uint32(1234567), b"a-long-name\0", np.float64(12), None),
    ]
    assert (
        "\n".join(lines)
        == """\
PID    COMM      LAT(ms) PATH
7      bash         1.50 /etc/passwd
1234567 a-long-n    12.00"""
    )


def test_a_row_has_a_value_for_each_column() -> None:
    with pytest.raises(ValueError, match="4 columns, the row 1 values"):
        table().row(1)


def test_rows_of_records() -> None:
    batch = np.zeros(2, OPENED)
    batch["pid"], batch["comm"], batch["args"][0] = [5, 6], [b"a\x1b[2J", b"b"], [1, 2]
    shown = Table(Column("COMM", 12), Column("PID", 5, ">"), Column("ARGS", 6))
    assert list(shown.rows(batch)) == [
        r"a\x1b[2J" + " " * 9 + "5 [1, 2]",
        "b" + " " * 16 + "6 [0, 0]",
    ]
    assert shown.record({"pid": 1, "comm": "x", "args": ""}) == "x                1"
    with pytest.raises(ValueError, match="no field path; they have pid, lat, comm, args"):
        list(Table(Column("PATH", 4)).rows(batch))


@given(st.text() | st.binary())
def test_nothing_printed_acts_on_the_terminal(value: str | bytes) -> None:
    shown = Table(Column("A", 3)).row(value)
    assert shown.isprintable()
    shown.encode()


def test_escapes_are_readable() -> None:
    assert printable("a\nb\x1b[0m\x9b\u202eé") == r"a\nb\x1b[0m\x9b\u202eé"
    assert printable(b"\xff\xc3\xa9") == r"\xffé"
    assert printable(r"back\slash") == r"back\slash"


def test_json_of_numpy() -> None:
    batch = np.zeros(2, OPENED)
    batch[0] = (3, float("nan"), b"sh", (1, 2))
    expected = {"pid": 3, "lat": None, "comm": "sh", "args": [1, 2]}
    assert json.loads(jsonl.line(batch[0])) == expected
    assert [json.loads(line)["pid"] for line in jsonl.lines(batch)] == [3, 0]
    value = {1: np.uint64(2**64 - 1), "b": np.bool_(True), "t": (None, float("inf")), "c": b"\xff"}
    assert json.loads(jsonl.line(value)) == {
        "1": 2**64 - 1, "b": True, "t": [None, None], "c": r"\xff",
    }  # fmt: skip


def test_json_of_records_in_records() -> None:
    inner = np.dtype([("a", "u1")])
    batch = np.zeros(1, np.dtype([("in", inner), ("x", "u1")]))
    assert [json.loads(line) for line in jsonl.lines(batch)] == [{"in": {"a": 0}, "x": 0}]


def test_json_of_addresses() -> None:
    value = {IPv4Address("192.0.2.1"): IPv6Network("2001:db8::/32")}
    assert json.loads(jsonl.line(value)) == {"192.0.2.1": "2001:db8::/32"}


def test_json_of_results() -> None:
    assert json.loads(jsonl.line({"hist": Hist.log2([1])}))["hist"]["val_type"] == "value"
    with pytest.raises(TypeError, match=r"object .* has no form in JSON"):
        jsonl.line(object())
    with pytest.raises(TypeError, match="named fields"):
        list(jsonl.lines(np.zeros(2)))


@given(st.text() | st.binary())
def test_a_line_of_json_is_one_line_that_any_parser_reads(value: str | bytes) -> None:
    line = jsonl.line({"v": value})
    assert len(line.splitlines()) == 1
    json.loads(line)["v"].encode()
