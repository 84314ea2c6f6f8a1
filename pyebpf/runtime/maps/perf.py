"""Perf events in an array by CPU: buffers of records, and counters.

Shapes below: ``n`` records.

A buffer is a page of positions and then the data, a ring. Each record has a header of 8 bytes; a
sample of BPF output has the length of its data behind it, padded so that records stay on 8 bytes.

Source: ``include/uapi/linux/perf_event.h``, ``kernel/events/ring_buffer.c``.
"""

from __future__ import annotations

import errno
import mmap
import os
import select
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.abi.attr import PERF_EVENT_HEADER, perf_event_attr
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.layout import round_up
from pyebpf.runtime.refusal import refusal
from pyebpf.spec.dtype import decoded, decoded_dtype, numpy_dtype
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import DataType

_ALL = -1
#: Offsets of ``data_head`` and ``data_tail`` in ``struct perf_event_mmap_page``, in words.
_HEAD, _TAIL = 128, 129
#: Where the data of a sample begins, and which bytes before it are the same in all: not ``misc``,
#: which says what the CPU was doing.
_DATA = 12
_FIXED = [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
_PATIENCE = 0.25


def _open_event(spec_fd: int, cpu: int, attr: bytes) -> int:
    """Open an event of one CPU, start it, and put it into the map."""
    event = syscall.perf_event_open(attr, _ALL, cpu)
    try:
        key, value = cpu.to_bytes(4, "little"), event.to_bytes(4, "little")
        syscall.map_update(spec_fd, call.address_of(key), call.address_of(value))
        syscall.ioctl(event, c.PERF_EVENT_IOC_ENABLE)
    except BaseException:
        os.close(event)
        raise
    return event


def _map(event: int, size: int) -> mmap.mmap:
    try:
        return mmap.mmap(event, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    except PermissionError:
        raise refusal(
            errno.EPERM,
            f"mapping a buffer of {size} bytes for perf events (all of a user may have "
            "kernel.perf_event_mlock_kb for each CPU, and RLIMIT_MEMLOCK: fewer pages=… are less)",
            needs=("CAP_IPC_LOCK",),
        ) from None


class _Buffer:
    """The buffer of one CPU."""

    def __init__(self, event: int, pages: int) -> None:
        self.event = event
        self.size = pages * mmap.PAGESIZE
        self._memory = _map(event, self.size + mmap.PAGESIZE)
        self._positions = memoryview(self._memory)[: mmap.PAGESIZE].cast("Q")
        self._data = memoryview(self._memory)[mmap.PAGESIZE :]

    def read(self, size: int) -> list[NDArray[np.uint8]]:
        """Take the records of ``size`` bytes out, each part ``(n, size)``."""
        head, tail = self._positions[_HEAD], self._positions[_TAIL]
        start, end = tail % self.size, tail % self.size + head - tail
        if end <= self.size:
            data = bytes(self._data[start:end])
        else:
            data = bytes(self._data[start:]) + bytes(self._data[: end - self.size])
        self._positions[_TAIL] = head
        return list(self._records(data, size))

    def _records(self, data: bytes, size: int) -> Iterator[NDArray[np.uint8]]:
        stride = round_up(size + 4) + PERF_EVENT_HEADER.size
        wanted = np.frombuffer(_sample(stride), np.uint8)[_FIXED]
        at = 0
        while at < len(data):
            count = (len(data) - at) // stride
            rows = np.frombuffer(data, np.uint8, count * stride, at).reshape(count, stride)
            same = (rows[:, _FIXED] == wanted).all(axis=1)
            run = count if same.all() else int(np.argmin(same))
            if run:
                yield rows[:run, _DATA : _DATA + size]
                at += run * stride
                continue
            # What had no room is counted by the program itself, so this record adds nothing.
            at += PERF_EVENT_HEADER.unpack_from(data, at)[2]

    def close(self) -> None:
        """Unmap the buffer and close the event."""
        for view in (self._positions, self._data):
            view.release()
        self._memory.close()
        os.close(self.event)


def _sample(stride: int) -> bytes:
    """Return how each sample begins: its header, and the length of its data with the padding."""
    header: bytes = PERF_EVENT_HEADER.pack(c.PERF_RECORD_SAMPLE, 0, stride)
    return header + (stride - _DATA).to_bytes(4, "little")


class PerfStream(MapHandle):
    """The records that programs send to the buffers of all CPUs. It owns the buffers.

    Iterating waits for records and yields batches until the session is closed.

    Attributes:
        dtype: of one record.
    """

    def __init__(
        self, fd: int, spec: MapSpec, record: DataType, pages: int, cpus: tuple[int, ...]
    ) -> None:
        super().__init__(fd, spec)
        self._record = record
        self.dtype: np.dtype[Any] = decoded_dtype(record)
        self._poll = select.epoll()
        self._buffers: list[_Buffer] = []
        attr = perf_event_attr(
            c.PERF_TYPE_SOFTWARE,
            c.PERF_COUNT_SW_BPF_OUTPUT,
            sample_period=1,
            sample_type=c.PERF_SAMPLE_RAW,
            wakeup_events=1,
        )
        try:
            for cpu in cpus:
                self._buffers.append(_Buffer(_open_event(fd, cpu, attr), pages))
                self._poll.register(self._buffers[-1].event, select.EPOLLIN)
        except BaseException:
            self.close()
            raise

    def read(self, timeout_s: float | None = 0.0) -> NDArray[Any]:
        """Return what has arrived, waiting for the first record if there is none.

        Args:
            timeout_s: how long to wait at most; 0 does not wait, None waits for ever.

        Shape:  ``(n,)``, n ≥ 0, a copy; in order for each CPU, one CPU after the other.
        """
        self.open_fd()
        batch = self._taken()
        if len(batch) == 0 and timeout_s != 0 and self._poll.poll(timeout_s, 1):
            batch = self._taken()
        return decoded(self._record, batch)

    def _taken(self) -> NDArray[Any]:
        there = numpy_dtype(self._record)
        parts = [part for buffer in self._buffers for part in buffer.read(there.itemsize)]
        rows = np.concatenate([np.empty((0, there.itemsize), np.uint8), *parts])
        return rows.reshape(-1).view(there)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        while self.fd >= 0:
            batch = self.read(_PATIENCE)
            if len(batch):
                yield batch

    def close(self) -> None:
        """Unmap the buffers and close their events. Idempotent."""
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        self._poll.close()
        super().close()


class PerfCounters(MapHandle):
    """A counter for each CPU, for programs to read. It owns the events."""

    def __init__(self, fd: int, spec: MapSpec, cpus: tuple[int, ...]) -> None:
        super().__init__(fd, spec)
        self._cpus = cpus
        self._events: list[int] = []

    def open(self, kind: int, config: int) -> None:
        """Start a counter on each CPU.

        Args:
            kind: ``PERF_TYPE_*``: 0 is hardware, 1 software.
            config: what to count, ``PERF_COUNT_*``.

        Raises:
            KernelError: this machine has no such counter.
        """
        self._stop()
        attr = perf_event_attr(kind, config)
        for cpu in self._cpus:
            self._events.append(_open_event(self.open_fd(), cpu, attr))

    def _stop(self) -> None:
        for event in self._events:
            os.close(event)
        self._events.clear()

    def close(self) -> None:
        """Stop the counters. Idempotent."""
        self._stop()
        super().close()
