"""Further kinds of maps in memory, and their helpers: queues, filters, tries, storages."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, TypeVar

from pyebpf.abi import constants as c
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.helpers import table_of
from pyebpf.ir.interp.tables import ANY, EXIST, HashTable, Table

if TYPE_CHECKING:
    from pyebpf.ir.interp.helpers import Helper
    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.interp.memory import Memory
    from pyebpf.ir.nodes import CallHelper
    from pyebpf.spec.objects import MapSpec

T = TypeVar("T", bound=Table)


class ValueTable(Table):
    """Kinds without keys: what programs push, pop and peek."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.held: list[bytes] = []

    def push(self, value: bytes, flags: int) -> int:
        """Put a value in; 0, or a negative errno."""
        if flags not in (ANY, EXIST):
            return -errno.EINVAL
        if len(self.held) >= self.spec.max_entries:
            if flags != EXIST:
                return -errno.E2BIG
            self.held.pop(0)
        self.held.append(value)
        return 0

    def next(self, *, remove: bool) -> bytes | None:
        """Return the next value, and take it out; None if there is none."""
        if not self.held:
            return None
        at = -1 if self.spec.kind == "stack" else 0
        return self.held.pop(at) if remove else self.held[at]


class BloomTable(ValueTable):
    """``bloom_filter``, one that is never wrong."""

    def push(self, value: bytes, flags: int) -> int:
        """Add a value; 0, or a negative errno."""
        if flags != ANY:
            return -errno.EINVAL
        self.held.append(value)
        return 0

    def asked(self, value: bytes) -> int:
        """Tell whether a value is there: 0, or a negative errno."""
        return 0 if value in self.held else -errno.ENOENT


class PrefixTable(HashTable):
    """``lpm_trie``: a look-up finds the longest prefix."""

    def lookup(self, key: bytes, cpu: int) -> int:
        """Return the address of the value of the longest prefix that fits, 0 if none does."""
        fits = [known for known in self.keys() if _is_prefix(known, key)]
        return super().lookup(max(fits, key=_bits), cpu) if fits else 0

    def update(self, key: bytes, value: bytes, flags: int, cpu: int) -> int:
        """Store the value of a prefix; 0, or a negative errno."""
        if _bits(key) > 8 * (len(key) - _DATA_AT):
            return -errno.EINVAL
        return super().update(_masked(key), value, flags, cpu)

    def delete(self, key: bytes) -> int:
        """Remove a prefix; 0, or a negative errno."""
        return super().delete(_masked(key))


_DATA_AT = 4


def _bits(key: bytes) -> int:
    return int.from_bytes(key[:_DATA_AT], "little")


def _masked(key: bytes) -> bytes:
    """Return a prefix without the bits behind its length, which do not count."""
    data, cut = key[_DATA_AT:], max(0, 8 * (len(key) - _DATA_AT) - _bits(key))
    kept = int.from_bytes(data, "big") >> cut << cut
    return key[:_DATA_AT] + kept.to_bytes(len(data), "big")


def _is_prefix(known: bytes, key: bytes) -> bool:
    bits = known[:_DATA_AT]
    return _bits(known) <= _bits(key) and _masked(bits + key[_DATA_AT:]) == known


class ObjectTable(HashTable):
    """Storages: values by the address of a kernel object, as many as there are objects."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec.replace(max_entries=1 << 32), memory, cpus)

    def obtain(self, owner: int, initial: bytes, *, create: bool) -> int:
        """Return the address of an object's value, 0 if it has none."""
        key = owner.to_bytes(8, "little")
        if create and not self.lookup(key, 0):
            self.update(key, initial, ANY, 0)
        return self.lookup(key, 0)


class PerfTable(Table):
    """``perf_event_array``: the records that were sent, from all CPUs in order."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.sent: list[bytes] = []

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait to be read."""
        return sum(map(len, self.sent))

    def read(self) -> list[bytes]:
        """Take the records out."""
        sent, self.sent = self.sent, []
        return sent


class OfMapsTable(Table):
    """``array_of_maps`` and ``hash_of_maps``: a look-up gives a map."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.inside: dict[bytes, Table] = {}

    def lookup(self, key: bytes, cpu: int) -> int:  # noqa: ARG002 - all CPUs have the same
        """Return what stands for the map of a key in a program, 0 if there is none."""
        found = self.inside.get(key)
        return found.handle if found else 0


class OwnTable(HashTable):
    """``cgroup_storage``: a value for each cgroup that a program ran for."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec.replace(max_entries=1 << 32), memory, cpus)

    def own(self, cgroup: int, cpu: int) -> int:
        """Return the address of a cgroup's value, which is always there."""
        key = cgroup.to_bytes(self.spec.key_size, "little")
        if not self.lookup(key, cpu):
            self.update(key, bytes(self.spec.value_size), ANY, cpu)
        return self.lookup(key, cpu)


class UserRingTable(Table):
    """``user_ringbuf``: records that a test sent."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.sent: list[bytes] = []
        #: What a program is reading, by the address of its dynptr.
        self.reading: dict[int, bytes] = {}


class PlaceTable(HashTable):
    """Devices, CPUs, sockets and cgroups: numbers that a test gave."""

    def number(self, key: bytes) -> int:
        """Return what is in an entry; 0 if nothing is."""
        return int.from_bytes(self.value(key) or b"", "little")


def _of_kind(m: Machine, args: list[int], call: CallHelper, kind: type[T]) -> T:
    table = table_of(m, args[0], call)
    if not isinstance(table, kind):
        raise ProbeFault(f"{call.helper} gets a map of another kind", call.span)
    return table


def map_push_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Put a value in."""
    table = _of_kind(m, args, call, ValueTable)
    return table.push(m.memory.read(args[1], table.spec.value_size, call), args[2])


def _next(m: Machine, args: list[int], call: CallHelper, *, remove: bool) -> int:
    table = _of_kind(m, args, call, ValueTable)
    found = table.next(remove=remove)
    m.memory.write(args[1], found or bytes(table.spec.value_size), call)
    return -errno.ENOENT if found is None else 0


def map_pop_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Take the next value out."""
    return _next(m, args, call, remove=True)


def map_peek_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Read the next value; ask a filter."""
    table = table_of(m, args[0], call)
    if isinstance(table, BloomTable):
        return table.asked(m.memory.read(args[1], table.spec.value_size, call))
    return _next(m, args, call, remove=False)


def storage_get(m: Machine, args: list[int], call: CallHelper) -> int:
    """Find or make the value of an object."""
    table = _of_kind(m, args, call, ObjectTable)
    size = table.spec.value_size
    initial = m.memory.read(args[2], size, call) if args[2] else bytes(size)
    create = bool(args[3] & c.BPF_LOCAL_STORAGE_GET_F_CREATE)
    return table.obtain(args[1], initial, create=create) if args[1] else 0


def storage_delete(m: Machine, args: list[int], call: CallHelper) -> int:
    """Remove the value of an object."""
    return _of_kind(m, args, call, ObjectTable).delete(args[1].to_bytes(8, "little"))


def perf_event_output(m: Machine, args: list[int], call: CallHelper) -> int:
    """Send bytes as one record."""
    table = _of_kind(m, args[1:], call, PerfTable)
    table.sent.append(m.memory.read(args[3], args[4], call))
    return 0


def get_local_storage(m: Machine, args: list[int], call: CallHelper) -> int:
    """Return the value of the cgroup that the program runs for."""
    return _of_kind(m, args, call, OwnTable).own(m.world.cgroup_id, m.world.cpu)


def user_ringbuf_drain(m: Machine, args: list[int], call: CallHelper) -> int:
    """Call a function for each record until it returns 1."""
    table, code = _of_kind(m, args, call, UserRingTable), m.function_at(args[1], call)
    count = 0
    while table.sent:
        data, count = table.sent.pop(0), count + 1
        region = m.memory.add(bytearray(16), "a dynptr", writable=False)
        table.reading[region.base] = data
        stop = code.run((region.base, args[2])[: len(code.params)])
        del table.reading[region.base]
        m.memory.remove(region)
        if stop:
            break
    return count


def dynptr_read(m: Machine, args: list[int], call: CallHelper) -> int:
    """Copy out of a record that is being read."""
    rings = [table for table in m.tables.values() if isinstance(table, UserRingTable)]
    data = next((ring.reading[args[2]] for ring in rings if args[2] in ring.reading), None)
    if data is None:
        raise ProbeFault("dynptr_read gets something that is no dynptr", call.span)
    part = data[args[3] : args[3] + args[1]]
    m.memory.write(args[0], part.ljust(args[1], b"\0"), call)
    return 0 if len(part) == args[1] else -errno.E2BIG


def redirect_map(m: Machine, args: list[int], call: CallHelper) -> int:
    """Say that a frame goes elsewhere, if there is an entry."""
    table = _of_kind(m, args, call, PlaceTable)
    there = table.number(args[1].to_bytes(table.spec.key_size, "little"))
    return _XDP_REDIRECT if there else args[2] & _OTHERWISE


def current_task_under_cgroup(m: Machine, args: list[int], call: CallHelper) -> int:
    """Tell whether the cgroup of an entry is the current one."""
    table = _of_kind(m, args, call, PlaceTable)
    found = table.number(args[1].to_bytes(table.spec.key_size, "little"))
    return int(found == m.world.cgroup_id) if found else -errno.EAGAIN


#: ``XDP_REDIRECT``, and the bits of the action where there is no entry.
_XDP_REDIRECT, _OTHERWISE = 4, 3
_PLACES = (
    "devmap",
    "devmap_hash",
    "cpumap",
    "xskmap",
    "sockmap",
    "sockhash",
    "reuseport_sockarray",
    "cgroup_array",
)
_STORAGES = ("task_storage", "inode_storage", "sk_storage", "cgrp_storage")
KIND_TABLES: dict[str, type[Table]] = {
    "queue": ValueTable,
    "stack": ValueTable,
    "bloom_filter": BloomTable,
    "lpm_trie": PrefixTable,
    "perf_event_array": PerfTable,
    "array_of_maps": OfMapsTable,
    "hash_of_maps": OfMapsTable,
    "user_ringbuf": UserRingTable,
    **dict.fromkeys(("cgroup_storage", "percpu_cgroup_storage"), OwnTable),
    **dict.fromkeys(_STORAGES, ObjectTable),
    **dict.fromkeys(_PLACES, PlaceTable),
}
KIND_HELPERS: dict[str, Helper] = {
    "map_push_elem": map_push_elem,
    "map_pop_elem": map_pop_elem,
    "map_peek_elem": map_peek_elem,
    "perf_event_output": perf_event_output,
    "get_local_storage": get_local_storage,
    "redirect_map": redirect_map,
    "user_ringbuf_drain": user_ringbuf_drain,
    "dynptr_read": dynptr_read,
    "current_task_under_cgroup": current_task_under_cgroup,
    **dict.fromkeys((f"{kind}_get" for kind in _STORAGES), storage_get),
    **dict.fromkeys((f"{kind}_delete" for kind in _STORAGES), storage_delete),
}
