"""The memory of a ring buffer: which records are in it, and how they get out.

Shapes below: ``n`` records.

The kernel writes records one after the other, each behind a header of 8 bytes: a word with the
length, with one bit while it is being written and another when it was given up, and a word that
says on which page the header is. The data pages are there twice in a row, so a record that wraps is
contiguous all the same. Nothing here is a system call, so tests make such memory themselves.

Order of memory accesses, as ``kernel/bpf/ringbuf.c`` needs it: the producer's position before the
headers, a header before its data, all data before the consumer's position. On x86-64 loads are not
reordered with loads, nor stores with earlier loads, so plain accesses do. Elsewhere a lock is taken
and released twice in between: releasing it and taking it again orders what comes before against
what comes after.

Source: ``kernel/bpf/ringbuf.c``, ``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

import mmap
import platform
import struct
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import FormatError
from pyebpf.runtime.batches import Batch, copied
from pyebpf.spec.dtype import decoded, numpy_dtype

if TYPE_CHECKING:
    from pyebpf.spec.events import EventShape

T = TypeVar("T")

_HEADER = c.BPF_RINGBUF_HDR_SZ
_BUSY = c.BPF_RINGBUF_BUSY_BIT
_DISCARDED = c.BPF_RINGBUF_DISCARD_BIT
_LENGTH = struct.Struct("=I")
_WORD = 8
#: With more breaks in a chain of headers, places to which none leads are left out first.
_FEW_BREAKS = 16
_STRONGLY_ORDERED = frozenset({"x86_64", "AMD64", "i686"})


class RingMemory:
    """A ring buffer that is mapped. One thread reads at a time.

    What is read is copied out and given back to the kernel, which may overwrite it at once.

    Attributes:
        name: of the map, for messages.
        size: of the data in bytes, a power of two.
    """

    def __init__(
        self, consumer: memoryview, producer: memoryview, data: memoryview, name: str = "events"
    ) -> None:
        """Take the memory of a buffer.

        Args:
            consumer: our position, a word that can be written.
            producer: the kernel's position, a word.
            data: the data, twice in a row.
            name: of the map.
        """
        self.name = name
        self.size = len(data) // 2
        self._consumer, self._producer, self._data = consumer, producer, data
        self._fence = fence_of(platform.machine())

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer is taken: records and their headers, unfinished ones too."""
        self._check_open()
        return self._producer[0] - self._consumer[0]

    @property
    def fill(self) -> float:
        """How much of the buffer is taken, from 0 to 1."""
        return self.pending_bytes / self.size

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

    def read_with(self, copy: Callable[[memoryview, NDArray[np.intp], NDArray[np.uint32]], T]) -> T:
        """Let a function copy out all finished records, of whatever sizes, then give them back.

        Args:
            copy: takes memory, where in it each record begins, and the sizes; both ``(n,)``, in the
                order in which programs reserved the records. It must keep nothing of the memory.

        Returns:
            what ``copy`` returned.

        Cost:   no system call; about a nanosecond for 8 bytes of the buffer, besides ``copy``.
        """
        at, end = self._filled()
        offset = at & (self.size - 1)
        words, lengths = self._heads(offset, end - at)
        is_any_marked = bool(len(lengths)) and int(lengths.max()) >= _DISCARDED
        if is_any_marked:
            busy = np.flatnonzero(lengths & _BUSY)
            if len(busy):
                words, lengths = words[: busy[0]], lengths[: busy[0]]
        if len(words):
            at += int(words[-1]) * _WORD + _stride(int(lengths[-1]) & ~_DISCARDED)
        if is_any_marked:
            kept = lengths & _DISCARDED == 0
            words, lengths = words[kept], lengths[kept]
        self._fence()
        copied = copy(self._data[offset:], words * _WORD + _HEADER, lengths)
        self._give_back(at)
        return copied

    def _heads(self, offset: int, filled: int) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
        """Find the headers of all records, those being written too.

        Where a header is follows from the one before it, and so from all of them. But it also says
        on which page it is, which few words of the data do: so these words are found at once, and
        then it is checked that each leads to the next. Words of the data that only look like a
        header are no part of that chain.

        Args:
            offset: where the first one is.
            filled: how many bytes there are from there on.

        Returns:
            where they are in words from the first on, and their lengths with the bits.
        """
        page = mmap.PAGESIZE
        limit, before = filled // _WORD, offset % page // _WORD
        if not limit:
            return np.empty(0, np.intp), np.empty(0, np.uint32)
        pages = -(-(offset % page + filled) // page)
        halves = np.ndarray(
            (pages, page // _WORD, 2), np.uint32, self._data, offset - offset % page
        )
        numbers = (offset // page + np.arange(pages)) % (self.size // page) - offset // page
        expected = (numbers + int(halves[0, before, 1])).astype(np.uint32)
        words = np.flatnonzero(halves[:, :, 1] == expected[:, None]) - before
        words = words[np.searchsorted(words, 0) : np.searchsorted(words, limit)]
        lengths = halves.reshape(-1, 2)[words + before, 0]
        on_chain, after = chain(words, words + _strides(lengths), limit)
        words, lengths = words[on_chain], lengths[on_chain]
        if after < limit and not (len(lengths) and int(lengths[-1]) & _BUSY):
            rest = self._walk(offset, after, limit)  # a kernel that does not say the page
            words = np.concatenate([words, rest[0]])
            lengths = np.concatenate([lengths, rest[1]])
        return words, lengths

    def _walk(
        self, offset: int, word: int, limit: int
    ) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
        """Find the headers from a word on one by one, up to one that is being written."""
        words, lengths = [], []
        while word < limit:
            (length,) = _LENGTH.unpack_from(self._data, offset + word * _WORD)
            words.append(word)
            lengths.append(length)
            if length & _BUSY:
                break
            word += _stride(length & ~_DISCARDED) // _WORD
        return np.array(words, np.intp), np.array(lengths, np.uint32)

    def read(self, shape: EventShape) -> NDArray[Any] | Batch:
        """Copy out all finished records of a shape.

        Shape:  ``(n,)``; several types are a :class:`Batch`.
        """
        if shape.is_tagged or shape.trimmed:
            return self.read_with(partial(copied, shape))
        kind = shape.kinds[0]
        return decoded(kind, self.read_batch(numpy_dtype(kind)))

    def read_raw(self) -> list[bytes]:
        """Copy out all finished records of any size, in the order of their reservation."""
        return self.read_with(
            lambda memory, starts, sizes: [
                bytes(memory[start : start + size])
                for start, size in zip(starts.tolist(), sizes.tolist(), strict=True)
            ]
        )

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
        """Raise ``ValueError`` if there is no memory any more."""


def chain(
    words: NDArray[np.intp], following: NDArray[np.intp], limit: int
) -> tuple[NDArray[np.intp] | slice, int]:
    """Follow the chain from the first of some places on.

    Args:
        words: places, ascending.
        following: where each leads, which is further on.
        limit: where the chain ends.

    Returns:
        the numbers of those that are on the chain, a slice if nothing is between them, and where
        the last of them leads.
    """
    if not len(words):
        return slice(0), 0
    numbers: NDArray[np.intp] | None = None
    if np.count_nonzero(following[:-1] != words[1:]) > _FEW_BREAKS:
        numbers = np.flatnonzero(_led_to(words, following, limit))
        words, following = words[numbers], following[numbers]
    breaks = np.flatnonzero(following[:-1] != words[1:])
    if not len(breaks):
        return slice(None) if numbers is None else numbers, int(following[-1])
    parts, first = [], 0
    while True:
        at = int(breaks.searchsorted(first))
        last = int(breaks[at]) if at < len(breaks) else len(words) - 1
        parts.append(np.arange(first, last + 1))
        after = int(following[last])
        first = int(words.searchsorted(after))
        if after >= limit or first == len(words) or words[first] != after:
            found = np.concatenate(parts)
            return found if numbers is None else numbers[found], after


def _led_to(words: NDArray[np.intp], following: NDArray[np.intp], limit: int) -> NDArray[np.bool_]:
    """Tell of each place whether it is the first, or another leads to it.

    What is left of older records behind the end of a text often looks like a header, as there was
    one; but nothing leads there.
    """
    mark = np.zeros(limit, bool)
    mark[following[following < limit]] = True
    mark[words[0]] = True
    found: NDArray[np.bool_] = mark[words]
    return found


def _strides(lengths: NDArray[np.uint32]) -> NDArray[np.intp]:
    """Return how many words the records with these headers take."""
    sizes = (lengths & ~np.uint32(_BUSY | _DISCARDED)) + np.uint32(_HEADER + 7)
    return (sizes // np.uint32(_WORD)).astype(np.intp)


def _stride(size: int) -> int:
    """Return how far the next record is: header and data, rounded up to 8."""
    return (size + _HEADER + 7) & ~7


def _none(size: int) -> NDArray[Any]:
    return np.empty(0, f"V{size}")


def fence_of(machine: str) -> Callable[[], None]:
    """Return what keeps memory accesses before a call before those after it.

    Args:
        machine: the processor, as ``platform.machine()`` names it.
    """
    return _no_fence if machine in _STRONGLY_ORDERED else _LockFence()


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
