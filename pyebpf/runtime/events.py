"""The ring buffer, read in batches as numpy records.

Shapes below: ``n`` records.

The kernel writes records one after the other, each behind a header of 8 bytes whose first word is
the length, with one bit while it is being written and another when it was given up. The data pages
are mapped twice in a row, so a record that wraps is contiguous all the same.

Order of memory accesses, as ``kernel/bpf/ringbuf.c`` needs it: the producer's position before the
headers, a header before its data, all data before the consumer's position. On x86-64 loads are not
reordered with loads, nor stores with earlier loads, so plain accesses do. Elsewhere a lock is taken
and released twice in between: releasing it and taking it again orders what comes before against
what comes after.

Source: ``kernel/bpf/ringbuf.c``, ``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

import errno
import mmap
import os
import platform
import select
import struct
import threading
from collections.abc import Callable
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import FormatError, KernelError
from pyebpf.owner import Owner

_HEADER = c.BPF_RINGBUF_HDR_SZ
_BUSY = c.BPF_RINGBUF_BUSY_BIT
_DISCARDED = c.BPF_RINGBUF_DISCARD_BIT
_LENGTH = struct.Struct("=I")
_STRONGLY_ORDERED = frozenset({"x86_64", "AMD64", "i686"})


class RingBuffer(Owner):
    """An open ``BPF_MAP_TYPE_RINGBUF``. It owns its descriptor. One thread reads at a time.

    What is read is copied out and given back to the kernel, which may overwrite it at once.

    Since:  Linux 5.8 (feature ``map.ringbuf``).
    """

    def __init__(self, fd: int, max_entries: int, name: str = "events") -> None:
        self.fd = fd
        self.name = name
        self.size = max_entries
        page = mmap.PAGESIZE
        self._consumer_page = self._map(page, mmap.PROT_READ | mmap.PROT_WRITE, 0)
        self._kernel_pages = self._map(page + 2 * max_entries, mmap.PROT_READ, page)
        self._consumer = memoryview(self._consumer_page).cast("Q")
        self._producer = memoryview(self._kernel_pages)[:8].cast("Q")
        self._data = memoryview(self._kernel_pages)[page:]
        self._fence: Callable[[], None] = _no_fence
        if platform.machine() not in _STRONGLY_ORDERED:
            self._fence = _LockFence()
        self._epoll = select.epoll()
        self._epoll.register(fd, select.EPOLLIN)

    def _map(self, length: int, protection: int, offset: int) -> mmap.mmap:
        try:
            return mmap.mmap(self.fd, length, mmap.MAP_SHARED, protection, offset=offset)
        except OSError as err:
            message = f"ring buffer {self.name!r}: cannot map {length} bytes: {err.strerror}"
            raise KernelError(err.errno or errno.EINVAL, message) from err

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer is taken: records and their headers, unfinished ones too."""
        self._check_open()
        return self._producer[0] - self._consumer[0]

    def fileno(self) -> int:
        """Return the descriptor, which polls as readable while there are records."""
        return self.fd

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until there is something to read; False when the time is over first.

        Args:
            timeout_s: how long; None waits for ever, 0 only looks.
        """
        self._check_open()
        return bool(self._epoll.poll(timeout_s, 1))

    def read_batch(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Copy out all finished records, each of which is one ``dtype``.

        Returns:
            the records in the order in which programs reserved them. Reading ends before one that
            is still being written.

        Raises:
            FormatError: the next record has another size. Those before it have been returned; read
                it with :meth:`read_raw`.

        Shape:  ``(n,)`` of ``dtype``; ``n`` is 0 when there is nothing.
        Cost:   one copy; no system call; some nanoseconds a record.
        """
        parts = []
        size, ahead = dtype.itemsize, self.size
        at, end = self._filled()
        while at < end:
            part, after = self._read_run(at, end, size, ahead)
            parts.append(part)
            # Look not much further than the last run went, lest many odd records make it quadratic.
            ahead = 2 * (after - at) + 64 * _stride(size)
            after += self._skippable(after, end)
            if after == at:
                break
            at = after
        self._give_back(at)
        joined = parts[0] if len(parts) == 1 else np.concatenate([*parts, _none(size)])
        if not len(joined):
            self._check_next(at, end, size)
        return joined.view(dtype)

    def _read_run(self, at: int, end: int, size: int, ahead: int) -> tuple[NDArray[Any], int]:
        """Copy the records of ``size`` from ``at`` on, at most ``ahead`` bytes, up to another one.

        Discarded records of the same size are passed over.

        Returns:
            the records as bytes, and where they end.
        """
        stride, offset = _stride(size), at & (self.size - 1)
        n = min(end - at, ahead) // stride
        heads = np.ndarray((n,), np.uint32, self._data, offset, (stride,))
        lengths = heads.copy()  # what is tested here must be what is used below
        kept = lengths == size
        whole = bool(kept.all())
        if not whole:
            fits = kept | (lengths == size | _DISCARDED)
            n = n if fits.all() else int(np.argmin(fits))
            kept = kept[:n]
        self._fence()
        records = np.ndarray((n,), f"V{size}", self._data, offset + _HEADER, (stride,))
        return records.copy() if whole else records[kept], at + n * stride

    def _skippable(self, at: int, end: int) -> int:
        """Return the stride of the record at ``at`` if it was discarded, else 0."""
        if at >= end:
            return 0
        (length,) = _LENGTH.unpack_from(self._data, at & (self.size - 1))
        if length & _BUSY or not length & _DISCARDED:
            return 0
        return _stride(length & ~_DISCARDED)

    def _check_next(self, at: int, end: int, size: int) -> None:
        if at >= end:
            return
        (length,) = _LENGTH.unpack_from(self._data, at & (self.size - 1))
        if not length & _BUSY and length != size:
            message = (
                f"ring buffer {self.name!r}: the next record is of {length} bytes, and {size} "
            )
            raise FormatError(message + "are expected; read_raw() takes records of any size")

    def read_raw(self) -> list[bytes]:
        """Copy out all finished records of any size, in the order of their reservation."""
        records = []
        data, mask = self._data, self.size - 1
        at, end = self._filled()
        while at < end:
            offset = at & mask
            (length,) = _LENGTH.unpack_from(data, offset)
            if length & _BUSY:
                break
            self._fence()
            size = length & ~_DISCARDED
            if size == length:
                start = offset + _HEADER
                records.append(bytes(data[start : start + size]))
            at += _stride(size)
        self._give_back(at)
        return records

    @overload
    def drain(self) -> list[bytes]: ...
    @overload
    def drain(self, dtype: np.dtype[Any]) -> NDArray[Any]: ...
    def drain(self, dtype: np.dtype[Any] | None = None) -> list[bytes] | NDArray[Any]:
        """Read everything: as records of ``dtype``, or without one as bytes."""
        return self.read_raw() if dtype is None else self.read_batch(dtype)

    def _filled(self) -> tuple[int, int]:
        """Return the positions, counted from the start of time, between which there are records."""
        self._check_open()
        at, end = self._consumer[0], self._producer[0]
        self._fence()
        return at, end

    def _give_back(self, at: int) -> None:
        self._fence()
        self._consumer[0] = at

    def _check_open(self) -> None:
        if self.fd < 0:
            raise ValueError(
                f"ring buffer {self.name!r} is closed: read it before its session ends"
            )

    def close(self) -> None:
        """Unmap the pages and close the descriptor. Closing again does nothing."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        self._epoll.close()
        for view in (self._consumer, self._producer, self._data):
            view.release()
        self._consumer_page.close()
        self._kernel_pages.close()
        os.close(fd)

    def __repr__(self) -> str:
        state = f"{self.pending_bytes} of {self.size} bytes taken" if self.fd >= 0 else "closed"
        return f"<RingBuffer {self.name!r} {state}>"


def _stride(size: int) -> int:
    """Return how far the next record is: header and data, rounded up to 8."""
    return (size + _HEADER + 7) & ~7


def _none(size: int) -> NDArray[Any]:
    return np.empty(0, f"V{size}")


def _no_fence() -> None:
    """Do nothing: this processor keeps the order by itself."""


class _LockFence:
    """Orders the memory accesses before a call against those after it, on any processor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            pass
        with self._lock:
            pass
