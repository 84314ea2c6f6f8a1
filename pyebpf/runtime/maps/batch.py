"""Many entries in one system call, and entry by entry where the kernel cannot.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.layout import Layout
from pyebpf.spec.objects import MapSpec

#: Memory for one call: enough that calls cost nothing, little enough to stay in the caches.
_CHUNK_BYTES = 1 << 20
_LEAST = 64
#: Memory for all entries, at first; what is not written to is none.
_ROOM_BYTES = 1 << 26
#: What kernels say to a command that the kind of map, or the kernel, does not have.
_LACKING = frozenset({errno.EINVAL, errno.EOPNOTSUPP, syscall.ENOTSUPP})
#: Kinds that can show an entry twice: their walk starts again where the place was removed, or the
#: table moved.
_REPEATING = frozenset({"lpm_trie", "rhash"})

Entries: TypeAlias = "tuple[NDArray[Any], NDArray[Any]]"


class Reader:
    """Reads whole maps of one layout. Not for two threads at once on one map with ``delete``.

    Attributes:
        lacking: commands that the kind of map, or the kernel, turned out not to have.
    """

    def __init__(self, layout: Layout, spec: MapSpec) -> None:
        self.layout = layout
        self.max_entries = spec.max_entries
        self.lacking: set[int] = set()
        self._repeats = spec.kind in _REPEATING
        room = _CHUNK_BYTES // (layout.key.size + layout.value_bytes)
        self._count = max(_LEAST, min(room, spec.max_entries))

    def read(self, fd: int, *, delete: bool = False) -> Entries:
        """Copy all entries out, and remove them from the map if ``delete``.

        Returns:
            keys ``(n,)`` and values ``(n,)`` or ``(n, c)``.
        """
        command = c.BPF_MAP_LOOKUP_AND_DELETE_BATCH if delete else c.BPF_MAP_LOOKUP_BATCH
        if command not in self.lacking:
            try:
                return self._in_batches(fd, delete)
            except _NoBatchError:
                self.lacking.add(command)
        return self._one_by_one(fd, delete)

    def take_one(self, fd: int, key: bytes) -> bytes | None:
        """Copy one entry's value out and remove it; None if there is none.

        Where the kernel has no command for both, an update between the two is lost.
        """
        memory, address = call.buffer(self.layout.value_bytes)
        if c.BPF_MAP_LOOKUP_AND_DELETE_ELEM not in self.lacking:
            try:
                found = syscall.map_lookup_and_delete(fd, call.address_of(key), address)
                return memory.raw[: self.layout.value_bytes] if found else None
            except KernelError as err:
                if err.errno not in _LACKING:
                    raise
                self.lacking.add(c.BPF_MAP_LOOKUP_AND_DELETE_ELEM)
        if not syscall.map_lookup(fd, call.address_of(key), address):
            return None
        # Whoever removed it meanwhile has the value.
        removed = syscall.map_delete(fd, call.address_of(key))
        return memory.raw[: self.layout.value_bytes] if removed else None

    def _in_batches(self, fd: int, delete: bool) -> Entries:
        """Let the kernel write all entries one behind the other: nothing is to be joined."""
        size, wide = self.layout.key.size, self.layout.value_bytes
        room = min(self.max_entries, _ROOM_BYTES // (size + wide)) + self._count
        keys, values = np.empty(room * size, np.uint8), np.empty(room * wide, np.uint8)
        cursors = np.zeros((2, max(4, size)), np.uint8)
        first = _address(cursors)
        second = first + max(4, size)
        given, taken = 0, first
        n, more = 0, True
        most = 2 * self.max_entries + self._count if self._repeats else sys.maxsize
        while more and n < most:
            if room - n < self._count:  # the map has more than it was made for, or is very large
                room = 2 * room + self._count
                keys, values = _grown(keys, room * size), _grown(values, room * wide)
            key_at, value_at = _address(keys) + n * size, _address(values) + n * wide
            try:
                got, more = syscall.map_lookup_batch(
                    fd, given, taken, key_at, value_at, self._count, delete=delete
                )
            except KernelError as err:
                self._reconsider(err, first=not given)
                continue
            if got:  # a call that was interrupted before the first entry has no cursor
                n += got
                given, taken = taken, second if taken == first else first
        return self._found(keys, values, n)

    def _found(self, keys: NDArray[np.uint8], values: NDArray[np.uint8], n: int) -> Entries:
        if len(keys) > 2 * n * self.layout.key.size:  # not to keep much more memory than is used
            keys = keys[: n * self.layout.key.size].copy()
            values = values[: n * self.layout.value_bytes].copy()
        found, of = self.layout.keys(keys, n), self.layout.values(values, n)
        if not self._repeats:
            return found, of
        at = last_of_each(self.layout.key.packed(found, (len(found),)))
        return found[at], of[at]

    def _reconsider(self, err: KernelError, *, first: bool) -> None:
        """Make room for a bucket that is larger than the batch, or give up."""
        if err.errno == errno.ENOSPC:
            self._count *= 2
        elif first and err.errno in _LACKING:
            raise _NoBatchError from err
        else:
            raise err

    def _one_by_one(self, fd: int, delete: bool) -> Entries:
        found = dict(self._entries(fd, delete))
        keys, values = bytearray().join(found), bytearray().join(found.values())
        return self.layout.keys(keys, len(found)), self.layout.values(values, len(found))

    def _entries(self, fd: int, delete: bool) -> Iterator[tuple[bytes, bytes]]:
        memory, address = call.buffer(self.layout.value_bytes)
        # The keys are collected before anything is removed, for removing would lose the place.
        for key in keys_of(fd, self.layout.key.size, self.max_entries):
            if delete:
                value = self.take_one(fd, key)
                if value is not None:
                    yield key, value
            elif syscall.map_lookup(fd, call.address_of(key), address):
                yield key, memory.raw[: self.layout.value_bytes]


def _address(array: Any) -> int:
    # A third of what `array.__array_interface__` takes, a tenth of `array.ctypes.data`.
    return ctypes.addressof(ctypes.c_char.from_buffer(array))


def _grown(old: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    new = np.empty(size, np.uint8)
    new[: len(old)] = old
    return new


def keys_of(fd: int, size: int, max_entries: int) -> list[bytes]:
    """Return the keys of a map, ``size`` bytes each, one system call for each.

    When the kernel removes the key that the walk stands at, the walk starts again. It ends after as
    many steps as the map has room for, twice, however busy the map is.
    """
    memory, address = call.buffer(size)
    seen: dict[bytes, None] = {}
    at = 0
    for _ in range(2 * max_entries + 1):
        if not syscall.map_next_key(fd, at, address):
            break
        seen[memory.raw[:size]] = None
        at = address
    return list(seen)


def last_of_each(keys: NDArray[Any]) -> NDArray[np.intp]:
    """Return where each different key of ``(n, …)`` stands last, in their order."""
    places = {row.tobytes(): at for at, row in enumerate(keys)}
    return np.array(sorted(places.values()), np.intp)


class _NoBatchError(Exception):
    """This kind of map, or this kernel, has no batch operations."""


def write(fd: int, keys: NDArray[Any], values: NDArray[np.uint8]) -> None:
    """Store entries.

    Shape:  keys ``(n,)`` and more if a key is an array; values ``(n, bytes)``; both contiguous.
    """
    try:
        syscall.map_update_batch(fd, keys.ctypes.data, values.ctypes.data, len(keys))
    except KernelError as err:
        if err.errno not in _LACKING:
            raise
    else:
        return
    for index in range(len(keys)):
        key, value = keys[index : index + 1].ctypes.data, values[index].ctypes.data
        syscall.map_update(fd, key, value)
