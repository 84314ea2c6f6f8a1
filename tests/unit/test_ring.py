"""The drain of a ring buffer, on buffers in memory that follow the kernel's rules."""

from __future__ import annotations

import mmap
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyebpf.abi import constants as c
from pyebpf.errors import FormatError
from pyebpf.runtime.ring import RingMemory, _led_to, _LockFence, chain

PAGE = mmap.PAGESIZE
#: The pages of the kernel's own that come before the data, which it counts too.
BEFORE = 3
KEPT, DROPPED, BUSY = "kept", "dropped", "busy"


class SimulatedRing:
    """The kernel's side of a buffer: it reserves, sends, discards, and finds no room."""

    def __init__(self, pages: int = 1, start: int = 0, before: int | None = BEFORE) -> None:
        self.size = pages * PAGE
        self.data = bytearray(2 * self.size)
        self.before = before
        self.positions = (bytearray(8), bytearray(8))
        consumer, self.producer = (memoryview(one).cast("Q") for one in self.positions)
        consumer[0] = self.producer[0] = start
        self.ring = RingMemory(consumer, self.producer, memoryview(self.data))
        self.consumer = consumer

    def reserve(self, data: bytes, how: str = KEPT) -> bool:
        stride = (len(data) + 8 + 7) & ~7
        if self.producer[0] + stride - self.consumer[0] > self.size - 1:
            return False
        at = self.producer[0] % self.size
        flags = {KEPT: 0, DROPPED: c.BPF_RINGBUF_DISCARD_BIT, BUSY: c.BPF_RINGBUF_BUSY_BIT}[how]
        page = 0 if self.before is None else at // PAGE + self.before
        head = (len(data) | flags).to_bytes(4, "little") + page.to_bytes(4, "little")
        # What is behind the record is left from the last turn, so it stays.
        for place, byte in enumerate(head + data, at):
            for half in (0, self.size):
                self.data[place % self.size + half] = byte
        self.producer[0] += stride
        return True

    def finish(self, at: int) -> None:
        """Send what is being written at a place."""
        for half in (0, self.size):
            self.data[at % self.size + half + 3] &= 0x7F


def looks_like_heads(ring: SimulatedRing, size: int) -> bytes:
    """Return data of which every word could be the header of a record on the page it is on."""
    at = ring.producer[0]
    words = []
    for word in range(1, size // 8 + 1):
        page = (at + 8 * word) % ring.size // PAGE + (ring.before or 0)
        words.append((16).to_bytes(4, "little") + page.to_bytes(4, "little"))
    return b"".join(words).ljust(size, b"\x10")[:size]


RECORDS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 40), st.sampled_from([8, 16, 24, 256, 1000])),
        st.sampled_from([KEPT, KEPT, KEPT, DROPPED]),
        st.booleans(),
    ),
    max_size=300,
)


@settings(max_examples=200, deadline=None)
@given(
    records=RECORDS,
    start=st.integers(0, 10 * PAGE // 8).map(lambda word: 8 * word),
    pages=st.sampled_from([1, 2, 8]),
    before=st.sampled_from([0, BEFORE, 0xFFFF, None]),
    every=st.integers(1, 20),
)
def test_any_arrangement_is_read_whole_in_order_and_once(
    records: list[tuple[int, str, bool]], start: int, pages: int, before: int | None, every: int
) -> None:
    ring = SimulatedRing(pages, start, before)
    sent: list[bytes] = []
    read: list[bytes] = []
    for number, (size, how, hostile) in enumerate(records):
        data = looks_like_heads(ring, size) if hostile else bytes([number % 251]) * size
        if ring.reserve(data, how) and how == KEPT:
            sent.append(data)
        if number % every == 0:
            read += ring.ring.read_raw()
            assert ring.ring.pending_bytes == 0
    read += ring.ring.read_raw()
    assert read == sent


@settings(max_examples=200, deadline=None)
@given(
    size=st.sampled_from([1, 7, 8, 9, 16, 40, 264]),
    hows=st.lists(st.sampled_from([KEPT, KEPT, KEPT, DROPPED]), max_size=200),
    start=st.integers(0, 3 * PAGE // 8).map(lambda word: 8 * word),
)
def test_records_of_one_size_are_one_array(size: int, hows: list[str], start: int) -> None:
    ring, dtype = SimulatedRing(4, start), np.dtype(f"V{size}")
    sent: list[bytes] = []
    for number, how in enumerate(hows):
        data = bytes([number % 251 + 1]) * size
        if ring.reserve(data, how) and how == KEPT:
            sent.append(data)
    batch = ring.ring.read_batch(dtype)
    assert [bytes(one) for one in batch] == sent
    assert ring.ring.pending_bytes == 0


READERS: list[Callable[[RingMemory], list[bytes]]] = [
    lambda ring: ring.read_raw(),
    lambda ring: [bytes(one) for one in ring.read_batch(np.dtype("V24"))],
]


@pytest.mark.parametrize("read", READERS, ids=["any size", "one size"])
@pytest.mark.parametrize("stuck", [0, 1, 22, 99])
def test_reading_stops_before_a_record_that_is_being_written(
    stuck: int, read: Callable[[RingMemory], list[bytes]]
) -> None:
    ring = SimulatedRing(1, PAGE - 24)
    places = []
    for number in range(100):
        places.append(ring.producer[0])
        assert ring.reserve(bytes([number]) * 24, BUSY if number == stuck else KEPT)
    assert [one[0] for one in read(ring.ring)] == list(range(stuck))
    assert read(ring.ring) == []
    assert ring.ring.pending_bytes == (100 - stuck) * 32
    ring.finish(places[stuck])
    assert [one[0] for one in read(ring.ring)] == list(range(stuck, 100))


def test_a_full_buffer_refuses_and_has_its_whole_room_again() -> None:
    ring = SimulatedRing(1)
    for _ in range(3):
        taken = sum(ring.reserve(bytes(24)) for _ in range(200))
        assert taken == PAGE // 32 - 1  # one byte always stays free
        assert len(ring.ring.read_raw()) == taken


def test_a_record_of_another_size_is_an_error_that_loses_nothing() -> None:
    ring = SimulatedRing()
    for size in (24, 24, 13, 24):
        ring.reserve(bytes(size))
    assert len(ring.ring.read_batch(np.dtype("V24"))) == 2
    with pytest.raises(FormatError, match="next record is of 13 bytes, and 24"):
        ring.ring.read_batch(np.dtype("V24"))
    assert [len(one) for one in ring.ring.read_raw()] == [13, 24]


def test_records_without_data_are_there_too() -> None:
    ring = SimulatedRing()
    for size in (0, 0, 1, 0):
        ring.reserve(bytes(size))
    assert ring.ring.read_raw() == [b"", b"", b"\0", b""]


def test_the_order_of_accesses_on_other_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fence stands between position and headers, headers and data, data and position."""
    ring = SimulatedRing()
    ring.reserve(bytes(24))
    calls = []
    fence = _LockFence()
    monkeypatch.setattr(ring.ring, "_fence", lambda: (calls.append(ring.consumer[0]), fence()))

    def copy(memory: memoryview, starts: np.ndarray, sizes: np.ndarray) -> int:
        calls.append(-1)
        return len(starts)

    assert ring.ring.read_with(copy) == 1
    assert calls == [0, 0, -1, 0]
    assert ring.consumer[0] == 32
    calls.clear()
    ring.reserve(bytes(24))
    ring.ring.read_batch(np.dtype("V24"))
    assert calls == [32, 32, 32]


def test_what_an_older_turn_left_is_no_record_however_much_of_it_there_is() -> None:
    """Between two places of the chain lies one that leads nowhere, or to another such one."""
    words = np.arange(0, 40_000, 2)
    following = words + 2
    stale = np.arange(1, 40_000, 2)
    places = np.concatenate([words, stale])
    leads = np.concatenate([following, np.where(stale % 3 == 0, stale + 2, stale + 7_777_777)])
    order = np.argsort(places)
    led = _led_to(places[order], leads[order], 40_000)
    assert led[::2].all()
    assert led.sum() < 28_000
    found, after = chain(places[order], leads[order], 40_000)
    assert places[order][found].tolist() == words.tolist()
    assert after == 40_000
