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
import platform
import select
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.abi.attr import perf_event_attr
from pyebpf.owner import Owner
from pyebpf.runtime import call, syscall
from pyebpf.runtime.batches import Batch, copied
from pyebpf.runtime.map_fd import ring_size
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.refusal import refusal
from pyebpf.runtime.ring import chain, fence_of
from pyebpf.spec.events import EventShape
from pyebpf.spec.objects import MapSpec

_ALL = -1
#: Offsets of ``data_head`` and ``data_tail`` in ``struct perf_event_mmap_page``, in words.
_HEAD, _TAIL = 128, 129
#: Where the data of a sample begins: behind the header and its own length; the least sample.
_DATA, _LEAST = 12, 16
_WORD = 8


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

    def __init__(self, event: int, size: int) -> None:
        self.event = event
        self.size = ring_size(size)
        self._memory = _map(event, self.size + mmap.PAGESIZE)
        self._positions = memoryview(self._memory)[: mmap.PAGESIZE].cast("Q")
        self._data = memoryview(self._memory)[mmap.PAGESIZE :]
        self._fence = fence_of(platform.machine())

    @property
    def pending_bytes(self) -> int:
        """How much of it is taken."""
        return self._positions[_HEAD] - self._positions[_TAIL]

    def filled(self) -> tuple[int, memoryview, memoryview]:
        """Return where the records end, for :meth:`give_back`, and the two parts that they fill."""
        head, tail = self._positions[_HEAD], self._positions[_TAIL]
        self._fence()
        start, end = tail % self.size, tail % self.size + head - tail
        return head, self._data[start:end], self._data[: max(end - self.size, 0)]

    def give_back(self, head: int) -> None:
        """Give the room of what was filled back, when it is copied."""
        self._fence()
        self._positions[_TAIL] = head

    def close(self) -> None:
        """Unmap the buffer and close the event."""
        for view in (self._positions, self._data):
            view.release()
        self._memory.close()
        os.close(self.event)


def samples(data: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find the samples in what a buffer held, which begins with a record.

    Returns:
        where the data of each begins, and its length with the padding.

    Shape:  both ``(n,)``.
    """
    words, kinds = np.frombuffer(data, np.uint64), np.frombuffer(data, np.uint32)[::2]
    # What lies in a sample may look like one; the chain of records leads past it.
    places = np.flatnonzero(kinds == c.PERF_RECORD_SAMPLE)
    sizes = _sizes(words[places])
    places, sizes = places[sizes >= _LEAST], sizes[sizes >= _LEAST]
    following, found, at = places + sizes // _WORD, [], 0
    while at < len(words):
        first = int(np.searchsorted(places, at))
        if first == len(places) or places[first] != at:
            # What had no room is counted by the program itself, so this record adds nothing.
            at += max(int(_sizes(words[at])) // _WORD, 1)
            continue
        numbers, at = chain(places[first:], following[first:], len(words))
        found.append(places[first:][numbers])
    starts = np.concatenate([np.empty(0, np.intp), *found])
    lengths = np.frombuffer(data, np.uint32)[2 * starts + 2].astype(np.intp)
    return starts * _WORD + _DATA, lengths


def _sizes(heads: Any) -> NDArray[np.intp]:
    """Return the sizes of records in bytes, by their headers."""
    sizes: NDArray[np.intp] = (heads >> np.uint64(48)).astype(np.intp)
    return sizes


class PerfBuffers(Owner):
    """The buffers of all CPUs that programs write records to. It owns them and the map.

    Records are read in order for each CPU, one CPU after the other. One thread reads at a time.

    Attributes:
        name: of the map, for messages.
        size: of all buffers together in bytes.
    """

    def __init__(self, fd: int, name: str, size: int, cpus: tuple[int, ...]) -> None:
        """Open a buffer of ``size`` bytes, or more where pages are larger, for each CPU."""
        self.fd, self.name = fd, name
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
                self._buffers.append(_Buffer(_open_event(fd, cpu, attr), size))
                self._poll.register(self._buffers[-1].event, select.EPOLLIN)
        except BaseException:
            self.close()
            raise
        self.size = sum(buffer.size for buffer in self._buffers)

    @property
    def pending_bytes(self) -> int:
        """How much of the buffers is taken: records and their headers."""
        self._check_open()
        return sum(buffer.pending_bytes for buffer in self._buffers)

    @property
    def fill(self) -> float:
        """How much is taken of the buffer that is fullest, from 0 to 1."""
        self._check_open()
        return max(buffer.pending_bytes / buffer.size for buffer in self._buffers)

    def fileno(self) -> int:
        """Return a descriptor that polls as readable while there are records."""
        return self._poll.fileno()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until there is something to read; False when the time is over first."""
        self._check_open()
        return bool(self._poll.poll(timeout_s, 1))

    def read(self, shape: EventShape) -> NDArray[Any] | Batch:
        """Copy out all records of a shape.

        Shape:  ``(n,)``; several types are a :class:`Batch`.
        """
        data, starts, sizes = self._take()
        return copied(shape, memoryview(data), starts, sizes)

    def read_raw(self) -> list[bytes]:
        """Copy out all records of any size, up to seven bytes of no meaning behind each."""
        data, starts, sizes = self._take()
        ends = (starts + sizes).tolist()
        return [data[a:b] for a, b in zip(starts.tolist(), ends, strict=True)]

    def _take(self) -> tuple[bytes, NDArray[np.intp], NDArray[np.intp]]:
        self._check_open()
        filled = [buffer.filled() for buffer in self._buffers]
        data = b"".join(part for _, *parts in filled for part in parts)
        for buffer, (head, *_) in zip(self._buffers, filled, strict=True):
            buffer.give_back(head)
        return data, *samples(data)

    def _check_open(self) -> None:
        if self.fd < 0:
            raise ValueError(f"events {self.name!r} are closed: read them before the session ends")

    def close(self) -> None:
        """Unmap the buffers, close their events and the map. Idempotent."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        for buffer in self._buffers:
            buffer.close()
        self._buffers.clear()
        self._poll.close()
        os.close(fd)


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
