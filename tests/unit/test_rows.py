"""Records as Python values, for printing."""

from __future__ import annotations

from ipaddress import IPv4Address

import numpy as np
import pytest

from pyebpf import Char, chars, i32, record, rows, u8
from pyebpf.dsl.records import bits
from pyebpf.errors import PyebpfError
from pyebpf.spec.dtype import decoded, numpy_dtype
from pyebpf.spec.types import Record


@record
class Inner:
    low: u8 = bits(3)
    high: u8 = bits(5)


@record
class Row:
    number: i32
    to: IPv4Address
    inner: Inner
    text: Char = chars(8)


def batch(*texts: bytes) -> np.ndarray:
    kind: Record = Row.__pyebpf_record__  # type: ignore[attr-defined]
    made = np.zeros(len(texts), numpy_dtype(kind))
    made["number"] = -5
    made["to"] = list(IPv4Address("10.0.0.7").packed)
    made["inner"]["low"] = made["inner"]["high"] = 0b10101_011
    made["text"] = texts
    return decoded(kind, made)


def test_fields_are_pythons() -> None:
    (row,) = rows(Row, batch(b"abc"))
    assert (row.number, row.to, row.text) == (-5, IPv4Address("10.0.0.7"), "abc")
    assert (row.inner.low, row.inner.high) == (0b011, 0b10101)


def test_text_cannot_act_on_a_terminal() -> None:
    assert [row.text for row in rows(Row, batch(b"\x1b[2J", b"\xff\n", "grün".encode()))] == [
        "\\x1b[2J", "\\xff\\n", "grün",
    ]  # fmt: skip


def test_a_stream_of_batches() -> None:
    stream = rows(Row, iter([batch(b"a", b"b"), batch(), batch(b"c")]))
    assert [row.text for row in stream] == ["a", "b", "c"]


def test_others_are_refused() -> None:
    with pytest.raises(PyebpfError, match="it is no @record class"):
        next(rows(int, batch(b"a")))
    with pytest.raises(PyebpfError, match="the array has uint32"):
        next(rows(Row, np.zeros(1, np.uint32)))


def test_an_array_of_the_right_record_but_without_rows() -> None:
    assert list(rows(Row, batch())) == []
