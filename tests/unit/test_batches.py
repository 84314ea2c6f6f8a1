"""From bytes to arrays: records of several types, trimmed texts, what perf events add to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyebpf import Char, Events, chars, i32, record, rows, u16, u32
from pyebpf.abi import constants as c
from pyebpf.errors import FormatError
from pyebpf.runtime.batches import Batch, copied, empty, joined, values
from pyebpf.runtime.maps.perf import samples
from pyebpf.spec.dtype import numpy_dtype
from pyebpf.spec.events import SIZE_SHIFT, EventShape


@record
class Opened:
    pid: u32
    mode: u16
    path: Char = chars(21)


@record
class Closed:
    pid: u32
    fd: i32


BOTH = Events[Opened | Closed]().shape()
OPENED, CLOSED = BOTH.kinds
#: What a test sends: a number of a type, a pid, and a text.
SENT = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=21).map(lambda text: text.partition(b"\0")[0]),
    ),
    max_size=60,
)


def packed(shape: EventShape, number: int, pid: int, text: bytes) -> bytes:
    """Return a record as a program sends it."""
    kind = shape.kinds[number]
    row = np.zeros(1, numpy_dtype(kind))
    row["pid"] = pid
    if number == 0:
        row["path"] = text
    data = row.tobytes()
    tail = shape.tail(kind)
    data = data[: tail.offset + len(text)] if tail else data
    head = number | len(data) << SIZE_SHIFT if shape.is_apart else number
    return head.to_bytes(8, "little") + data if shape.prefix else data


@settings(max_examples=150, deadline=None)
@given(sent=SENT, trimmed=st.booleans(), perf=st.booleans(), tagged=st.booleans())
def test_what_was_sent_comes_out(
    sent: list[tuple[int, int, bytes]], trimmed: bool, perf: bool, tagged: bool
) -> None:
    shape = EventShape(BOTH.kinds if tagged else (OPENED,), trimmed, perf)
    sent = [(number if tagged else 0, pid, text) for number, pid, text in sent]
    data = [packed(shape, *one) for one in sent]
    if perf:
        memory, starts, sizes = through_perf(data)
    else:
        sizes = np.array([len(one) for one in data], np.uint32)
        # What a turn before left behind each record must not be read.
        memory = b"".join(one + b"\xff" * 8 for one in data)
        starts = np.cumsum(sizes + 8, dtype=np.intp) - sizes - 8
    batch = copied(shape, memoryview(memory), starts, sizes)
    assert len(batch) == len(sent)
    opened = batch[Opened] if isinstance(batch, Batch) else batch
    assert opened["pid"].tolist() == [pid for number, pid, _ in sent if number == 0]
    assert opened["path"].tolist() == [text for number, _, text in sent if number == 0]
    if isinstance(batch, Batch):
        assert batch.tags.tolist() == [number for number, _, _ in sent]
        assert batch[Closed]["pid"].tolist() == [pid for number, pid, _ in sent if number == 1]
        assert [row.pid for row in values(shape, batch)] == [pid for _, pid, _ in sent]
        assert [row.pid for row in rows(Opened, batch)] == opened["pid"].tolist()


def through_perf(data: list[bytes]) -> tuple[bytes, np.ndarray, np.ndarray]:
    """Put records into a buffer of perf events, with other events in between."""
    out = b""
    for number, one in enumerate(data):
        room = -(-(len(one) + 4) // 8) * 8
        head = (8 + room) << 48 | 2 << 32 | c.PERF_RECORD_SAMPLE
        size = (room - 4).to_bytes(4, "little")
        out += head.to_bytes(8, "little") + size + one.ljust(room - 4, b"\xee")
        if number % 3 == 0:
            out += (24 << 48 | c.PERF_RECORD_LOST).to_bytes(8, "little") + bytes(16)
    return out, *samples(out)


def test_what_only_looks_like_a_sample_is_none() -> None:
    alike = (16 << 48 | c.PERF_RECORD_SAMPLE).to_bytes(8, "little")
    data = [bytes(4) + alike * 3, b"abcd" + alike, alike]
    memory, starts, _ = through_perf(data)
    assert [memory[at : at + len(one)] for at, one in zip(starts, data, strict=True)] == data


def test_batches_join_and_say_what_they_have() -> None:
    data = b"".join(packed(BOTH, n % 2, n, b"") for n in range(5))
    sizes = np.array([len(packed(BOTH, n % 2, 0, b"")) for n in range(5)])
    batch = copied(BOTH, memoryview(data), np.cumsum(sizes) - sizes, sizes)
    assert isinstance(batch, Batch)
    both = joined(BOTH, [empty(BOTH), batch, batch])
    assert len(both) == 10
    assert both["Opened"]["pid"].tolist() == [0, 2, 4, 0, 2, 4]
    assert repr(both) == "<Batch of 10 records: 6 Opened, 4 Closed>"
    with pytest.raises(KeyError, match="u32: the records here are Opened and Closed"):
        both["u32"]


@pytest.mark.parametrize(
    ("size", "head", "message"),
    [
        (16, 2, r"has the number 2 of Opened \| Closed"),
        (17, 1, "records of 9 to 9 bytes are no Closed, which has 8"),
        (12, 1, "records of 4 to 4 bytes are no Closed, which has 8"),
    ],
)
def test_other_records_are_an_error(size: int, head: int, message: str) -> None:
    data = memoryview(head.to_bytes(8, "little") + bytes(24))
    with pytest.raises(FormatError, match=message):
        copied(BOTH, data, np.array([0]), np.array([size]))
