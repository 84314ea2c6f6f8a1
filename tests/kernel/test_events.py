"""The ring buffer against the kernel: programs of a few instructions fill it in test runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.errors import FormatError
from pyebpf.runtime import syscall
from pyebpf.runtime.events import RingBuffer
from pyebpf.runtime.ring import _LockFence

pytestmark = pytest.mark.kernel

RESERVE, SUBMIT, DISCARD = 131, 132, 133
SIZE = 1 << 16  # of whole pages, however large they are


@pytest.fixture
def ring() -> Iterator[RingBuffer]:
    fd = syscall.map_create(c.BPF_MAP_TYPE_RINGBUF, 0, 0, SIZE, name="events")
    with RingBuffer(fd, SIZE) as ring:
        yield ring


@contextmanager
def producer(ring: RingBuffer, count: int, size: int = 32, done: int = SUBMIT) -> Iterator[int]:
    """Load a program that reserves ``count`` records whose words count up from its argument.

    It returns how many records it could not reserve.
    """
    stores = tuple(i.stx_mem(i.DW, 0, 7, at) for at in range(0, size - size % 8, 8))
    body = (
        *i.ld_map_fd(1, ring.fd), i.mov64_imm(2, size), i.mov64_imm(3, 0), i.call(RESERVE),
        i.jmp_imm(i.JEQ, 0, 0, len(stores) + 6),
        *stores,
        i.mov64_reg(1, 0), i.mov64_imm(2, 0), i.call(done),
        i.alu64_imm(i.ADD, 7, 1), i.alu64_imm(i.SUB, 6, 1),
    )  # fmt: skip
    code = i.assemble(
        i.ldx_mem(i.DW, 7, 1, 0), i.mov64_imm(6, count), body,
        i.jmp_imm(i.JNE, 6, 0, -len(body) - 1), i.mov64_reg(0, 6), i.exit_insn(),
    )  # fmt: skip
    fd, _ = syscall.prog_load(c.BPF_PROG_TYPE_RAW_TRACEPOINT, code, "GPL", name="produce")
    try:
        yield fd
    finally:
        os.close(fd)


def run(program: int, start: int) -> int:
    """Run it; return how many records found no room."""
    return syscall.prog_test_run(program, ctx=start.to_bytes(8, "little")).retval


def words(size: int) -> np.dtype[np.void]:
    return np.dtype([(f"w{n}", "u8") for n in range(size // 8)])


def test_records_arrive_in_order_and_once(ring: RingBuffer) -> None:
    with producer(ring, 23) as program:
        assert run(program, 100) == 0
        assert ring.pending_bytes == 23 * 40
        batch = ring.read_batch(words(32))
    assert batch.shape == (23,)
    assert batch["w0"].tolist() == list(range(100, 123))
    assert (batch["w3"] == batch["w0"]).all()
    assert ring.pending_bytes == 0
    assert len(ring.read_batch(words(32))) == 0


def test_a_batch_is_a_copy(ring: RingBuffer) -> None:
    with producer(ring, 7) as program:
        run(program, 0)
        batch = ring.read_batch(words(32))
        before = batch.copy()
        for start in range(0, 20_000, 1_000):  # more than once around
            run(program, start)
            ring.read_raw()
    assert (batch == before).all()


@pytest.mark.parametrize("size", [8, 32, 40, 264])
def test_nothing_is_lost_over_many_turns_around_the_buffer(ring: RingBuffer, size: int) -> None:
    with producer(ring, 101, size) as program:
        for turn in range(3 * SIZE // (101 * size) + 2):
            assert run(program, turn * 101) == 0
            batch = ring.read_batch(words(size))
            assert batch["w0"].tolist() == list(range(turn * 101, turn * 101 + 101))


def test_a_full_buffer_refuses_and_keeps_what_it_has(ring: RingBuffer) -> None:
    with producer(ring, 500, 264) as program:
        refused = run(program, 0)
        batch = ring.read_batch(words(264))
        assert 0 < refused < 500
        assert batch["w0"].tolist() == list(range(500 - refused))
        assert run(program, 900) == refused  # the whole room is there again


def test_discarded_records_are_passed_over(ring: RingBuffer) -> None:
    with producer(ring, 3) as keep, producer(ring, 5, done=DISCARD) as drop:
        for start in (0, 10, 20):
            run(keep, start)
            run(drop, 77)
        batch = ring.read_batch(words(32))
        assert batch["w0"].tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]
        assert ring.pending_bytes == 0
        run(drop, 77)
        assert len(ring.read_batch(words(32))) == 0
        assert ring.pending_bytes == 0
        run(keep, 5)
        run(drop, 77)
        assert [int.from_bytes(raw[:8], "little") for raw in ring.read_raw()] == [5, 6, 7]


def test_discarded_records_of_another_size_are_passed_over(ring: RingBuffer) -> None:
    with producer(ring, 2) as keep, producer(ring, 3, 56, DISCARD) as drop:
        for start in range(40):
            run(drop, 0)
            run(keep, start)
        batch = ring.read_batch(words(32))
    assert batch["w0"].tolist() == [n + d for n in range(40) for d in (0, 1)]
    assert ring.pending_bytes == 0


def test_a_record_of_another_size_is_an_error_that_loses_nothing(ring: RingBuffer) -> None:
    with producer(ring, 2) as expected, producer(ring, 1, 13) as other:
        run(expected, 50)
        run(other, 9)
        run(expected, 60)
        assert ring.read_batch(words(32))["w0"].tolist() == [50, 51]
        with pytest.raises(FormatError, match="next record is of 13 bytes, and 32"):
            ring.read_batch(words(32))
        assert [len(raw) for raw in ring.read_raw()] == [13, 32, 32]


def test_waiting_ends_when_a_record_comes_and_not_before(ring: RingBuffer) -> None:
    assert not ring.wait(0)
    with producer(ring, 1) as program:
        late = threading.Thread(target=run, args=(program, 1))
        late.start()
        assert ring.wait(30)
        late.join()
        assert ring.wait(0)
        assert ring.read_batch(words(32))["w0"].tolist() == [1]
    assert not ring.wait(0.001)


def test_a_producer_at_work_meanwhile_loses_nothing(ring: RingBuffer) -> None:
    turns = 400
    with producer(ring, 50) as program:
        refused: list[int] = []

        def produce() -> None:
            refused.extend(run(program, turn * 50) for turn in range(turns))

        thread = threading.Thread(target=produce)
        thread.start()
        seen: list[int] = []
        while thread.is_alive() or ring.pending_bytes:
            seen += ring.read_batch(words(32))["w0"].tolist()
        thread.join()
    assert len(seen) + sum(refused) == turns * 50
    assert seen == sorted(seen)


def test_closing_twice_is_harmless_and_reading_then_is_an_error() -> None:
    fd = syscall.map_create(c.BPF_MAP_TYPE_RINGBUF, 0, 0, SIZE)
    ring = RingBuffer(fd, SIZE, "opened")
    ring.close()
    ring.close()
    with pytest.raises(ValueError, match="'opened' is closed"):
        ring.read_raw()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.parametrize("stuck", [0, 1, 22])
def test_reading_stops_before_a_record_that_is_being_written(ring: RingBuffer, stuck: int) -> None:
    # No program can leave a record unfinished, so the header is changed in a copy of the pages.
    with producer(ring, 23) as program:
        run(program, 0)
    real = ring._data
    pages = bytearray(real)
    pages[stuck * 40 + 3] |= c.BPF_RINGBUF_BUSY_BIT >> 24
    ring._data = memoryview(pages)
    assert ring.read_batch(words(32))["w0"].tolist() == list(range(stuck))
    assert ring.read_raw() == []
    assert ring.pending_bytes == (23 - stuck) * 40
    ring._data = real
    assert ring.read_batch(words(32))["w0"].tolist() == list(range(stuck, 23))


def test_the_fence_of_other_processors_changes_nothing_else(ring: RingBuffer) -> None:
    ring._fence = _LockFence()
    with producer(ring, 23) as program:
        run(program, 0)
        assert ring.read_batch(words(32))["w0"].tolist() == list(range(23))
        run(program, 0)
        assert len(ring.read_raw()) == 23
