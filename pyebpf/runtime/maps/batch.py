"""Many entries in one system call, and entry by entry where the kernel cannot.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.errors import KernelError
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.layout import Layout

#: Memory for one call: enough that calls cost nothing, little enough to stay in the caches.
_CHUNK_BYTES = 1 << 20
_LEAST = 64
#: What kernels say to a batch that the kind of map, or the kernel, does not have; 524 is ENOTSUPP.
_NO_BATCH = frozenset({errno.EINVAL, errno.EOPNOTSUPP, 524})


class Reader:
    """Reads whole maps of one layout. Not for two threads at once on one map with ``delete``."""

    def __init__(self, layout: Layout, max_entries: int) -> None:
        self.layout = layout
        self.max_entries = max_entries
        self.has_batch = True
        room = _CHUNK_BYTES // (layout.key.size + layout.value_bytes)
        self._count = max(_LEAST, min(room, max_entries))

    def read(self, fd: int, *, delete: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out, and remove them from the map if ``delete``.

        Returns:
            keys ``(n,)`` and values ``(n,)`` or ``(n, c)``.
        """
        if self.has_batch:
            try:
                return self._joined(list(self._chunks(fd, delete)))
            except _NoBatchError:
                self.has_batch = False
        return self._joined([self._one_by_one(fd, delete)])

    def _chunks(self, fd: int, delete: bool) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        cursors = np.zeros((2, max(4, self.layout.key.size)), np.uint8)
        given, taken = 0, cursors[0].ctypes.data
        more = True
        while more:
            keys = np.empty(self._count * self.layout.key.size, np.uint8)
            values = np.empty(self._count * self.layout.value_bytes, np.uint8)
            try:
                n, more = syscall.map_lookup_batch(
                    fd,
                    given,
                    taken,
                    keys.ctypes.data,
                    values.ctypes.data,
                    self._count,
                    delete=delete,
                )
            except KernelError as err:
                self._reconsider(err, first=not given)
                continue
            given, taken = taken, cursors[1 if taken == cursors[0].ctypes.data else 0].ctypes.data
            yield self.layout.keys(keys, n), self.layout.values(values, n)

    def _reconsider(self, err: KernelError, *, first: bool) -> None:
        """Make room for a bucket that is larger than the batch, or give up."""
        if err.errno == errno.ENOSPC:
            self._count *= 2
        elif first and err.errno in _NO_BATCH:
            raise _NoBatchError from err
        else:
            raise err

    def _joined(
        self, chunks: list[tuple[NDArray[Any], NDArray[Any]]]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        keys, values = zip(*chunks, strict=True)
        if len(chunks) == 1:
            return keys[0].copy(), values[0].copy()  # not to keep a whole batch's memory alive
        return np.concatenate(keys), np.concatenate(values)

    def _one_by_one(self, fd: int, delete: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        found = dict(self._entries(fd, delete))
        keys, values = bytearray().join(found), bytearray().join(found.values())
        return self.layout.keys(keys, len(found)), self.layout.values(values, len(found))

    def _entries(self, fd: int, delete: bool) -> Iterator[tuple[bytes, bytes]]:
        memory, address = call.buffer(self.layout.value_bytes)
        for key in self._walk(fd):
            if not syscall.map_lookup(fd, call.address_of(key), address):
                continue  # the kernel removed it since
            if delete and not syscall.map_delete(fd, call.address_of(key)):
                continue  # another reader has it
            yield key, memory.raw[: self.layout.value_bytes]

    def _walk(self, fd: int) -> list[bytes]:
        """Collect the keys before anything is removed, for removing would lose the place.

        When the kernel removes the key that the walk stands at, the walk starts again. It ends
        after as many steps as the map has room for, twice, however busy the map is.
        """
        memory, address = call.buffer(self.layout.key.size)
        seen: dict[bytes, None] = {}
        at = 0
        for _ in range(2 * self.max_entries + 1):
            if not syscall.map_next_key(fd, at, address):
                break
            seen[memory.raw[: self.layout.key.size]] = None
            at = address
        return list(seen)


class _NoBatchError(Exception):
    """This kind of map, or this kernel, has no batch operations."""


def write(fd: int, keys: NDArray[Any], values: NDArray[np.uint8]) -> None:
    """Store entries.

    Shape:  keys ``(n,)`` and more if a key is an array; values ``(n, bytes)``; both contiguous.
    """
    try:
        syscall.map_update_batch(fd, keys.ctypes.data, values.ctypes.data, len(keys))
    except KernelError as err:
        if err.errno not in _NO_BATCH:
            raise
    else:
        return
    for index in range(len(keys)):
        key, value = keys[index : index + 1].ctypes.data, values[index].ctypes.data
        syscall.map_update(fd, key, value)
