"""What all open maps have in common: a descriptor, a specification, entries by key.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError, MapFullError
from pyebpf.owner import Owner
from pyebpf.present.interchange import Table
from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps import batch
from pyebpf.runtime.maps.layout import Layout
from pyebpf.spec.kernel_fields import SPIN_LOCK, kernel_fields
from pyebpf.spec.objects import MapSpec


class MapHandle(Owner):
    """An open map. It owns its descriptor: closing it, or leaving a ``with`` block, closes that.

    Maps of kinds whose entries Python cannot read (arrays of programs, ring buffers) are just this.
    """

    def __init__(self, fd: int, spec: MapSpec) -> None:
        self.fd = fd
        self.spec = spec

    @property
    def name(self) -> str:
        """The name of its declaration."""
        return self.spec.name

    def fileno(self) -> int:
        """Return the descriptor; -1 once closed."""
        return self.fd

    def open_fd(self) -> int:
        """Return the descriptor.

        Raises:
            ValueError: the map is closed.
        """
        if self.fd < 0:
            raise ValueError(f"map {self.name!r} is closed: read it before its session ends")
        return self.fd

    def close(self) -> None:
        """Close the descriptor. Closing again does nothing; the map lives while programs use it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __repr__(self) -> str:
        state = f"fd={self.fd}" if self.fd >= 0 else "closed"
        return f"<{type(self).__name__} {self.name!r} {self.spec.kind} {state}>"


class EntryMap(MapHandle):
    """A map whose entries are found by key. Reads copy: the kernel does not change what they gave.

    A scalar comes as a Python value, for a per-CPU map as an array ``(c,)``.
    """

    def __init__(self, fd: int, spec: MapSpec) -> None:
        super().__init__(fd, spec)
        self.layout = Layout(spec)
        #: A value with a lock is copied while the lock is held, so it is all of one moment.
        self._flags = c.BPF_F_LOCK if SPIN_LOCK in kernel_fields(spec.value) else 0
        self._reader = batch.Reader(self.layout, spec)

    def __getitem__(self, key: object) -> Any:
        """Return a copy of the value of ``key``.

        Raises:
            KeyError: the map has no such key.
        """
        found = self._lookup(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: object, default: Any = None) -> Any:
        """Return a copy of the value of ``key``, or ``default`` if there is no such key."""
        found = self._lookup(key)
        return default if found is None else found

    def __contains__(self, key: object) -> bool:
        return self._lookup(key) is not None

    def __setitem__(self, key: object, value: object) -> None:
        """Insert or replace. A per-CPU map takes one value for every CPU, or a list of all.

        Raises:
            MapFullError: the map has no room for another key.
            TypeError, ValueError: key or value do not fit their types.
        """
        packed_key, packed_value = self._pack_key(key), self.layout.pack_value(value)
        try:
            key_at, value_at = call.address_of(packed_key), call.address_of(packed_value)
            syscall.map_update(self.open_fd(), key_at, value_at, self._flags)
        except KernelError as err:
            raise self._explained(err) from err

    def __iter__(self) -> Iterator[Any]:
        """Yield the keys of one :meth:`snapshot`: what the kernel writes meanwhile is not seen."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Return the number of entries.

        Cost: reads the whole map, for the kernel keeps no count that it would tell.
        """
        return len(self.snapshot()[0])

    def __bool__(self) -> bool:
        return True  # a handle is not false for being empty, and finding out would read the map

    def keys(self) -> list[Any]:
        """Return the keys of one :meth:`snapshot`."""
        return self.layout.key.pythonic(self.snapshot()[0])

    def values(self) -> list[Any]:
        """Return the values of one :meth:`snapshot`."""
        return self.layout.python_values(self.snapshot()[1])

    def items(self) -> list[tuple[Any, Any]]:
        """Return the entries of one :meth:`snapshot`."""
        keys, values = self.snapshot()
        pairs = zip(self.layout.key.pythonic(keys), self.layout.python_values(values), strict=True)
        return list(pairs)

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out.

        The copy is not of one moment: entries written during the walk may be missed.

        Returns:
            keys ``(n,)``, and values ``(n,)`` or ``(n, c)``.

        Cost:   one system call for some thousand entries; before Linux 5.6 two for each entry.
        """
        return self._reader.read(self.open_fd())

    def table(self) -> Table:
        """Copy all entries out as columns, for pandas, polars, pyarrow: a :meth:`snapshot`.

        The columns are ``key`` and ``value``, or the fields of records, and ``key_0``, … of tuples.
        Values of a per-CPU map are lists. For what a ``take()`` gave there is ``Table.of_entries``.
        """
        keys, values = self.snapshot()
        return Table.of_entries(keys, values, self.spec.key, self.spec.value)

    def top(self, n: int) -> Table:
        """Return the ``n`` entries with the greatest values, the greatest first: a :meth:`table`.

        The numbers of a per-CPU map are those of all CPUs together. Values that are no numbers
        have no greatest: the first ``n`` entries come as they are in the map.
        """
        keys, values = self.snapshot()
        if self.layout.cpus and values.ndim == 2 and values.dtype.kind in "iuf":
            values = values.sum(axis=1)
        if values.ndim == 1 and values.dtype.kind in "iuf":
            # From the end on, so that equal ones keep their order.
            order = len(values) - 1 - np.argsort(values[::-1], kind="stable")[::-1]
            keys, values = keys[order], values[order]
        return Table.of_entries(keys[:n], values[:n], self.spec.key, self.spec.value)

    def _repr_html_(self) -> str | None:
        try:
            return self.top(self.spec.max_entries)._repr_html_()
        except TypeError:  # the kernel does not list its entries, or no table has such values
            return None

    def update(self, entries: Any) -> None:
        """Insert or replace many entries, as a dict does: a mapping, or pairs of key and value.

        Raises:
            MapFullError, TypeError, ValueError: as :meth:`update_many`, which arrays are for.
        """
        pairs = list(entries.items() if hasattr(entries, "items") else entries)
        self.update_many([key for key, _ in pairs], [value for _, value in pairs])

    def update_many(self, keys: Any, values: Any) -> None:
        """Insert or replace many entries.

        Args:
            keys: an array ``(n,)``, or a sequence of what ``map[key]`` takes.
            values: as many, an array ``(n,)`` or ``(n, c)``, or a sequence.

        Raises:
            MapFullError: the map has no room for all; those before the first that failed are in.
            TypeError, ValueError: keys or values do not fit their types; nothing was stored.

        Cost:   one system call since Linux 5.6 (of some kinds later); before, one for each entry.
        """
        if len(keys) != len(values):
            message = f"map {self.name!r}: {len(keys)} keys for {len(values)} values"
            raise ValueError(message)
        if not len(keys):
            return
        self._store(self._pack_keys(keys), self.layout.pack_values(values, len(keys)))

    def _store(self, keys: NDArray[Any], values: NDArray[np.uint8]) -> None:
        try:
            batch.write(self.open_fd(), keys, values)
        except KernelError as err:
            raise self._explained(err) from err

    def _pack_key(self, key: object) -> bytes:
        return self.layout.key.pack(key)

    def _pack_keys(self, keys: Any) -> NDArray[Any]:
        return self.layout.key.packed(keys, (len(keys),))

    def _lookup(self, key: object) -> Any:
        packed = self._pack_key(key)
        memory, address = call.buffer(self.layout.value_bytes)
        if not syscall.map_lookup(self.open_fd(), call.address_of(packed), address, self._flags):
            return None
        return self.layout.unpack_value(memory.raw[: self.layout.value_bytes])

    def _remove(self, key: object) -> bool:
        """Remove a key; tell whether it was there."""
        packed = self._pack_key(key)
        return syscall.map_delete(self.open_fd(), call.address_of(packed))

    def _explained(self, err: KernelError) -> KernelError:
        """Say what a full map means to the one who declared it."""
        if err.errno not in (errno.E2BIG, errno.ENOSPC):
            return err
        message = (
            f"map {self.name!r} ({self.spec.kind}) is full: it has room for "
            f"{self.spec.max_entries} entries; declare it with a larger max_entries=, remove "
            "entries, or use an LRU map, which makes room by itself"
        )
        return MapFullError(err.errno, message)
