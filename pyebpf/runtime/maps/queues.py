"""Maps without keys: queues, stacks, Bloom filters.

Shapes below: ``n`` values now in the map.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError, MapFullError
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.layout import Half
from pyebpf.spec.objects import MapSpec

_NO_KEY = 0


class ValueMap(MapHandle):
    """An open map that holds values and has no keys."""

    def __init__(self, fd: int, spec: MapSpec) -> None:
        super().__init__(fd, spec)
        self.value = Half(spec.value, spec.value_size, f"value of map {spec.name!r}")

    def _packed(self, values: Any) -> Iterator[bytes]:
        """Return the bytes of each value, having looked at all of them."""
        rows = self.value.packed(values, (len(values),))
        return (np.asarray(row).tobytes() for row in rows)

    def _put(self, packed: bytes, flags: int) -> None:
        try:
            syscall.map_update(self.open_fd(), _NO_KEY, call.address_of(packed), flags)
        except KernelError as err:
            if err.errno not in (errno.E2BIG, errno.ENOSPC):
                raise
            room = f"it has room for {self.spec.max_entries} values"
            raise MapFullError(err.errno, f"map {self.name!r} is full: {room}") from err


class QueueMap(ValueMap):
    """An open ``BPF_MAP_TYPE_QUEUE`` or ``BPF_MAP_TYPE_STACK``.

    Since:  Linux 4.20.
    """

    def push(self, value: object, *, replace: bool = False) -> None:
        """Put a value in.

        Args:
            value: what to put in.
            replace: make room by dropping the value that would be taken out last.

        Raises:
            MapFullError: there is no room.
            TypeError, ValueError: the value does not fit its type.
        """
        self._put(self.value.pack(value), c.BPF_EXIST if replace else c.BPF_ANY)

    def extend(self, values: Any, *, replace: bool = False) -> None:
        """Put many values in, in their order: a sequence, or an array ``(n,)``.

        Raises:
            MapFullError: there is no room; those before the first that found none are in.
            TypeError, ValueError: a value does not fit its type; nothing was put in.

        Cost: one system call for each value.
        """
        for packed in self._packed(values):
            self._put(packed, c.BPF_EXIST if replace else c.BPF_ANY)

    def pop(self, default: Any = None) -> Any:
        """Take the next value out; ``default`` if there is none."""
        data = self._next(remove=True)
        return default if data is None else self.value.unpack(data)

    def peek(self, default: Any = None) -> Any:
        """Return a copy of the value that :meth:`pop` would take; ``default`` if there is none."""
        data = self._next(remove=False)
        return default if data is None else self.value.unpack(data)

    def take(self) -> NDArray[Any]:
        """Take out what is there, at most as many values as there is room for, in their order.

        Shape:  ``(n,)`` of the values' dtype.
        Cost:   one system call for each value.
        """
        found = bytearray()
        for _ in range(self.spec.max_entries):
            data = self._next(remove=True)
            if data is None:
                break
            found += data
        count = len(found) // self.value.size
        return self.value.copied(self.value.over(found, (count,), (self.value.size,)))

    def _next(self, *, remove: bool) -> bytes | None:
        memory, address = call.buffer(self.value.size)
        read = syscall.map_lookup_and_delete if remove else syscall.map_lookup
        if not read(self.open_fd(), _NO_KEY, address):
            return None
        return bytes(memory.raw[: self.value.size])


class BloomMap(ValueMap):
    """An open ``BPF_MAP_TYPE_BLOOM_FILTER``: it can be added to and asked, not read.

    Since:  Linux 5.16.
    """

    def add(self, value: object) -> None:
        """Add a value."""
        self._put(self.value.pack(value), c.BPF_ANY)

    def update(self, values: Any) -> None:
        """Add many values: a sequence, or an array ``(n,)``."""
        for packed in self._packed(values):
            self._put(packed, c.BPF_ANY)

    def __contains__(self, value: object) -> bool:
        packed = self.value.pack(value)  # the kernel reads it where it would store a value
        return syscall.map_lookup(self.open_fd(), _NO_KEY, call.address_of(packed))
