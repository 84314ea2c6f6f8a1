"""The session's views over maps in memory: the same classes, with another place to read from.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from pyebpf.errors import KernelError, MapFullError
from pyebpf.ir.interp.kinds import (
    BloomTable,
    ObjectTable,
    OfMapsTable,
    OwnTable,
    PerfTable,
    PlaceTable,
    PrefixTable,
    UserRingTable,
    ValueTable,
)
from pyebpf.ir.interp.ring import Ring
from pyebpf.ir.interp.tables import ArrayTable, HashTable, ProgramsTable, StackTable, Table
from pyebpf.runtime.batches import Batch, copied
from pyebpf.runtime.maps.array import ArrayMap, is_mmapable
from pyebpf.runtime.maps.base import EntryMap
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.runtime.maps.layout import Half, Layout
from pyebpf.runtime.maps.of_maps import OfMaps
from pyebpf.runtime.maps.percpu import PerCpuArrayMap
from pyebpf.runtime.maps.programs import ProgramTable
from pyebpf.runtime.maps.queues import BloomMap, QueueMap
from pyebpf.runtime.maps.shared import GlobalView
from pyebpf.runtime.maps.stacks import StackTraceMap
from pyebpf.runtime.maps.storage import ObjectMap
from pyebpf.runtime.maps.tries import LpmMap
from pyebpf.runtime.maps.user_ring import UserRing
from pyebpf.runtime.stream import EventStream
from pyebpf.spec.types import Field
from pyebpf.testing.objects import address_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyebpf.spec.events import EventShape
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.types import DataType

_NO_FD = 0


class _InMemory(EntryMap):
    """Entries of a :class:`Table`; everything that would be a system call is here."""

    def __init__(self, table: Table) -> None:
        self.fd = _NO_FD
        self.spec = table.spec
        self.layout = Layout(table.spec, table.cpus)
        self._table = table

    def close(self) -> None:
        """Refuse further use; there is nothing to give back."""
        self.fd = -1

    def __setitem__(self, key: object, value: object) -> None:
        self.open_fd()
        self._put(self._pack_key(key), self.layout.pack_value(value))

    def _put(self, key: bytes, value: bytes) -> None:
        result = self._table.store(key, value)
        if result:
            message = f"updating map {self.name!r}: {errno.errorcode[-result]}"
            raise self._explained(KernelError(-result, message))

    def _lookup(self, key: object) -> Any:
        self.open_fd()
        found = self._table.value(self._pack_key(key))
        return None if found is None else self.layout.unpack_value(found)

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out: keys ``(n,)``, values ``(n,)`` or ``(n, c)``."""
        self.open_fd()
        found = {key: self._table.value(key) or b"" for key in self._table.keys()}  # noqa: SIM118
        keys, values = bytearray().join(found), bytearray().join(found.values())
        return self.layout.keys(keys, len(found)), self.layout.values(values, len(found))

    def _store(self, keys: NDArray[Any], values: NDArray[np.uint8]) -> None:
        for key, value in zip(keys, values, strict=True):
            self._put(np.asarray(key).tobytes(), value.tobytes())


class MemoryHash(_InMemory, HashMap):
    """A hash table, as ``session[map]`` is one."""

    def _remove(self, key: object) -> bool:
        self.open_fd()
        return not self._table.delete(self._pack_key(key))

    def _pop(self, key: bytes) -> bytes | None:
        self.open_fd()
        found = self._table.value(key)
        return found if not self._table.delete(key) else None

    def take(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out and remove them."""
        taken = _InMemory.snapshot(self)
        for key in self._table.keys():  # noqa: SIM118 - a map of ours, no dict
            self._table.delete(key)
        return taken


class MemoryPrefixes(MemoryHash, LpmMap):
    """A table of networks."""


class MemoryObjects(ObjectMap, MemoryHash):
    """Values of kernel objects; a key is an object of the test, or its address."""

    def _pack_key(self, key: object) -> bytes:
        return address_of(key).to_bytes(8, "little")

    def _open(self, key: Any) -> Any:
        return nullcontext(key)


class MemoryOfMaps(OfMaps):
    """A map of maps."""

    def __init__(self, table: OfMapsTable, make: Callable[[MapSpec], Table]) -> None:
        self.fd = _NO_FD
        self.spec = table.spec
        self.key = Half(table.spec.key, table.spec.key_size, f"key of {table.spec.name!r}")
        self._table = table
        self._make = make

    def __setitem__(self, key: object, value: Any) -> None:
        self._table.inside[self.key.pack(key)] = value._table  # noqa: SLF001 - a view of ours

    def make(self, key: object) -> Any:
        """Make a map like the inner one, put it into an entry, and return its view."""
        inner = self.spec.inner
        assert inner is not None
        made = self._make(inner.replace(name=f"{inner.name}.{len(self._table.inside)}"))
        self._table.inside[self.key.pack(key)] = made
        return open_table(made)

    def _keep(self, key: object, new: object) -> None:
        """Keep nothing: there are no descriptors here."""

    def get(self, key: object) -> Any:
        """Return the view of the map in an entry, or None."""
        found = self._table.inside.get(self.key.pack(key))
        return open_table(found) if found else None

    def _listed(self) -> list[bytes]:
        return list(self._table.inside)

    def __delitem__(self, key: object) -> None:
        del self._table.inside[self.key.pack(key)]

    def close(self) -> None:
        """Refuse further use; there is nothing to give back."""
        self.fd = -1


class MemoryUserRing(UserRing):
    """A stream to programs."""

    def __init__(self, table: UserRingTable, record: DataType) -> None:
        self.fd = _NO_FD
        self.spec = table.spec
        self._record = Half(record, record.size, f"record of {table.spec.name!r}")
        self._table = table

    @property
    def pending_bytes(self) -> int:
        """How much waits for a program to take it out, without headers."""
        return sum(map(len, self._table.sent))

    def push(self, record: object) -> None:
        """Send a record."""
        self.open_fd()
        self._table.sent.append(self._record.pack(record))

    def close(self) -> None:
        """Refuse further use; there is nothing to give back."""
        self.fd = -1


class MemoryPlaces(MemoryHash):
    """Devices, CPUs, sockets, cgroups: numbers of the test."""


class MemoryQueue(QueueMap):
    """A queue or a stack."""

    def __init__(self, table: ValueTable) -> None:
        self.fd = _NO_FD
        self.spec = table.spec
        self.value = Half(table.spec.value, table.spec.value_size, f"value of {table.spec.name!r}")
        self._table = table

    def _put(self, packed: bytes, flags: int) -> None:
        self.open_fd()
        if self._table.push(packed, flags):
            message = f"map {self.name!r} is full: it has room for {self.spec.max_entries} values"
            raise MapFullError(errno.E2BIG, message)

    def _next(self, *, remove: bool) -> bytes | None:
        self.open_fd()
        return self._table.next(remove=remove)

    def close(self) -> None:
        """Refuse further use; there is nothing to give back."""
        self.fd = -1


class MemoryBloom(MemoryQueue, BloomMap):
    """A Bloom filter."""

    def __contains__(self, value: object) -> bool:
        assert isinstance(self._table, BloomTable)
        return not self._table.asked(self.value.pack(value))


class MemoryStacks(StackTraceMap, MemoryHash):
    """Call stacks by id."""

    def _bytes(self, key: object) -> bytes | None:
        self.open_fd()
        return self._table.value(self._pack_key(key))

    def _fill(
        self, memory: NDArray[np.uint8], numbers: NDArray[Any], keys: NDArray[np.uint32]
    ) -> None:
        for number in numbers.tolist():
            found = self._table.value(self._pack_key(keys[number]))
            if found is not None:
                memory[number, : len(found)] = np.frombuffer(found, np.uint8)


class MemoryArray(_InMemory, ArrayMap):
    """An array; :meth:`view` is the memory that programs write to."""

    _exchangeable = False

    def __init__(self, table: ArrayTable) -> None:
        super().__init__(table)
        self._memory = self._live = None
        if is_mmapable(table.spec):
            self._memory = memoryview(table.data)  # type: ignore[assignment]  # not from a file
            stride = (self.layout.stride,)
            self._live = self.layout.value.over(table.data, (table.spec.max_entries,), stride)

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all elements out: keys ``(n,)`` of ``u32``, and values ``(n,)``."""
        keys, values = _InMemory.snapshot(self)
        return keys, values.copy()

    def _lookup(self, key: object) -> Any:
        return _InMemory._lookup(self, key)  # noqa: SLF001 - of this very object

    def __setitem__(self, key: object, value: object) -> None:
        _InMemory.__setitem__(self, key, value)

    def close(self) -> None:
        """Refuse further use; views stay."""
        self.fd = -1


class MemoryPerCpuArray(_InMemory, PerCpuArrayMap):
    """A per-CPU array."""

    _exchangeable = False


class MemoryPrograms(ProgramTable):
    """A table of programs."""

    def __init__(self, table: ProgramsTable, find: Callable[[object], str]) -> None:
        self.fd = _NO_FD
        self.spec = table.spec
        self._table = table
        self._name = find

    def __setitem__(self, number: int, probe: object) -> None:
        at = int.from_bytes(self._key(number), "little")
        self._table.programs[at] = self._name(probe)

    def __delitem__(self, number: int) -> None:
        self._table.programs.pop(int.from_bytes(self._key(number), "little"), None)

    def __contains__(self, number: object) -> bool:
        return int.from_bytes(self._key(number), "little") in self._table.programs

    def close(self) -> None:
        """Refuse further use."""
        self.fd = -1


class MemoryGlobal(GlobalView):
    """A global variable."""

    def __init__(self, data: bytearray, kind: DataType, spec: MapSpec) -> None:
        self.fd = _NO_FD
        self.spec = spec
        self._memory = memoryview(data)  # type: ignore[assignment]  # not from a file
        self._half = Half(kind, kind.size, f"value of {spec.name!r}")
        self._field = Field(spec.name, kind, 0)

    def close(self) -> None:
        """Refuse further use; views stay."""
        self.fd = -1


class MemorySource:
    """A buffer of the interpreter, as a stream reads it."""

    def __init__(self, table: Ring | PerfTable, size: int) -> None:
        self._table = table
        self.name = table.spec.name
        self.size = size

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer waits to be read, in bytes."""
        return self._table.pending_bytes

    @property
    def fill(self) -> float:
        """How much of the buffer is taken, from 0 to 1."""
        return self.pending_bytes / self.size

    def fileno(self) -> int:
        """Return -1: there is no descriptor."""
        return -1

    def wait(self, timeout_s: float | None) -> bool:  # noqa: ARG002 - nothing to wait for
        """Return at once."""
        return self.pending_bytes > 0

    def read(self, shape: EventShape) -> NDArray[Any] | Batch:
        """Return what was sent since the last reading.

        Shape:  ``(n,)``, n ≥ 0, a copy; several types are a batch.
        """
        sent = self._table.read()
        sizes = np.array([len(record) for record in sent], np.intp)
        return copied(shape, memoryview(b"".join(sent)), np.cumsum(sizes) - sizes, sizes)

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


class MemoryStream(EventStream):
    """The records that probes sent. Iterating ends when there are no more."""

    def read(self, timeout_s: float | None = 0.0) -> Any:  # noqa: ARG002 - nothing to wait for
        """Return what was sent since the last reading.

        Shape:  ``(n,)``, n ≥ 0, a copy.
        """
        if not self._open:
            raise ValueError(f"events {self.name!r} are closed")
        return self._take()

    def __iter__(self) -> Iterator[Any]:
        while len(batch := self.read()):
            yield batch

    async def __aiter__(self) -> AsyncIterator[Any]:
        for batch in self:
            yield batch

    def each(self, call: Callable[[Any], object], seconds: float = float("inf")) -> int:  # noqa: ARG002
        """Call a function with all that was sent; return how many records that were."""
        before = self.received
        for batch in self:
            call(batch)
        return self.received - before


_VIEWS: dict[type[Table], Any] = {
    StackTable: MemoryStacks,
    ArrayTable: MemoryArray,
    ValueTable: MemoryQueue,
    BloomTable: MemoryBloom,
    PrefixTable: MemoryPrefixes,
    ObjectTable: MemoryObjects,
    PlaceTable: MemoryPlaces,
    OwnTable: MemoryHash,
    HashTable: MemoryHash,
}


def open_table(table: Table) -> Any:
    """Return the view of a table.

    Raises:
        TypeError: Python cannot read maps of this kind.
    """
    if table.spec.kind == "percpu_array":
        return MemoryPerCpuArray(table)
    view = _VIEWS.get(type(table))
    if view is None:
        raise TypeError(f"map {table.spec.name!r} ({table.spec.kind}) has no entries to read")
    return view(table)
