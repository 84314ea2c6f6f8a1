"""Maps in memory: hash tables, arrays, their per-CPU forms, tables of programs, call stacks.

What programs may do is in the methods that take addresses or give them; user space uses the others.
A refusal is a negative errno, as helpers give it.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.maps import MAP_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.ir.interp.memory import Memory, Region
    from pyebpf.spec.objects import MapSpec

ANY, NOEXIST, EXIST = c.BPF_ANY, c.BPF_NOEXIST, c.BPF_EXIST


class Table:
    """What every map has.

    Attributes:
        handle: the address that stands for the map in a program.
        cpus: how many values an entry has.
        stride: the bytes of one of them, as user space and arrays lay them out.
    """

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        self.spec = spec
        self.memory = memory
        self.handle = memory.add(bytearray(8), f"map `{spec.name}`", writable=False).base
        self.cpus = cpus if MAP_KINDS[spec.kind].per_cpu else 1
        self.stride = -(-spec.value_size // 8) * 8

    def place(self, cpu: int) -> int:
        """Return which of an entry's values a CPU uses."""
        return cpu if self.cpus > 1 else 0

    def lookup(self, key: bytes, cpu: int) -> int:  # noqa: ARG002 - kinds without entries
        """Return the address of the value for a CPU, 0 if there is none."""
        return 0

    def update(self, key: bytes, value: bytes, flags: int, cpu: int) -> int:  # noqa: ARG002
        """Store the value of one CPU; 0, or a negative errno."""
        return -errno.EINVAL

    def delete(self, key: bytes) -> int:  # noqa: ARG002
        """Remove a key; 0, or a negative errno."""
        return -errno.EINVAL

    def keys(self) -> Iterator[bytes]:
        """Yield the keys that are there."""
        return iter(())

    def value(self, key: bytes) -> bytes | None:
        """Return the values of all CPUs as the kernel copies them to user space."""
        return self._copy(key) if self.lookup(key, 0) else None

    def _copy(self, key: bytes) -> bytes:
        parts = []
        for cpu in range(self.cpus):
            region = self.memory.at(self.lookup(key, cpu))
            assert region is not None
            data = bytes(region.data)
            parts.append(data.ljust(self.stride, b"\0") if self.cpus > 1 or self.padded else data)
        return b"".join(parts)

    @property
    def padded(self) -> bool:
        """Whether user space sees values padded to 8 bytes."""
        return MAP_KINDS[self.spec.kind].per_cpu

    def store(self, key: bytes, value: bytes, flags: int = ANY) -> int:
        """Store the values of all CPUs, as user space does; 0, or a negative errno."""
        if not self.padded:
            return self.update(key, value, flags, 0)
        for cpu in range(self.cpus):
            part = value[cpu * self.stride :][: self.spec.value_size]
            result = self.update(key, part, flags if cpu == 0 else ANY, cpu)
            if result:
                return result
        return 0


class HashTable(Table):
    """``hash``, ``lru_hash`` and their per-CPU forms; the least recently used goes in order."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self._entries: dict[bytes, tuple[Region, ...]] = {}
        self._lru = spec.kind.startswith("lru_")
        # The kernel puts a new element in the place of an old one, which a program may still have;
        # where CPUs have their own values, it writes into the one that is there.
        self._replaces = spec.kind in ("hash", "lru_hash")

    def lookup(self, key: bytes, cpu: int) -> int:
        entry = self._entries.get(key)
        if entry is None:
            return 0
        if self._lru:
            self._entries[key] = self._entries.pop(key)
        return entry[self.place(cpu)].base

    def update(self, key: bytes, value: bytes, flags: int, cpu: int) -> int:
        entry = self._entries.get(key)
        kind = flags & 3
        if flags & ~7 or kind == NOEXIST | EXIST:
            return -errno.EINVAL
        if entry is not None and kind == NOEXIST:
            return -errno.EEXIST
        if entry is None and kind == EXIST:
            return -errno.ENOENT
        if entry is not None and not self._replaces:
            entry[self.place(cpu)].data[:] = value
            return 0
        if entry is None and len(self._entries) >= self.spec.max_entries:
            if not self._lru:
                return -errno.E2BIG
            self.delete(next(iter(self._entries)))
        if self._lru:
            self._entries.pop(key, None)  # what is new goes last
        self._entries[key] = made = self._make()
        made[self.place(cpu)].data[:] = value
        return 0

    def _make(self) -> tuple[Region, ...]:
        what = f"a value of map `{self.spec.name}`"
        size = self.spec.value_size
        return tuple(self.memory.add(bytearray(size), what) for _ in range(self.cpus))

    def delete(self, key: bytes) -> int:
        entry = self._entries.pop(key, None)
        # The kernel lets a program go on with a value that it looked up before: so it stays alive.
        return -errno.ENOENT if entry is None else 0

    def keys(self) -> Iterator[bytes]:
        return iter(list(self._entries))


class ArrayTable(Table):
    """``array`` and ``percpu_array``. ``data`` is all of it; numpy looks at the same memory."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.data = bytearray(spec.max_entries * self.cpus * self.stride)
        self._all = memoryview(self.data)
        self._regions: dict[int, Region] = {}

    def lookup(self, key: bytes, cpu: int) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return 0
        number = index * self.cpus + self.place(cpu)
        region = self._regions.get(number)
        if region is None:
            region = self._regions[number] = self._region(index, number)
        return region.base

    def _region(self, index: int, number: int) -> Region:
        start = number * self.stride
        part = self._all[start : start + self.spec.value_size]
        what = f"element {index} of map `{self.spec.name}`"
        read_only = self.spec.flags & c.BPF_F_RDONLY_PROG
        return self.memory.add(part, what, writable=not read_only)

    def update(self, key: bytes, value: bytes, flags: int, cpu: int) -> int:
        address = self.lookup(key, cpu)
        if not address:
            return -errno.E2BIG
        if flags & 3 == NOEXIST:
            return -errno.EEXIST
        region = self.memory.at(address)
        assert region is not None
        region.data[:] = value
        return 0

    def keys(self) -> Iterator[bytes]:
        return (i.to_bytes(4, "little") for i in range(self.spec.max_entries))


class ProgramsTable(Table):
    """``prog_array``: names of programs by number."""

    def __init__(self, spec: MapSpec, memory: Memory, cpus: int) -> None:
        super().__init__(spec, memory, cpus)
        self.programs: dict[int, str] = dict(spec.slots)


class StackTable(HashTable):
    """``stack_trace``: addresses of call stacks by the id that a program got."""

    def keep(self, stack: tuple[int, ...]) -> int:
        """Keep a call stack; return its id, or a negative errno."""
        if not stack:
            return -errno.EFAULT
        in_files = self.spec.flags & c.BPF_F_STACK_BUILD_ID
        # As the kernel does where it has no build id: ``struct bpf_stack_build_id``, the address.
        lead = (2).to_bytes(24, "little") if in_files else b""
        depth = self.spec.value_size // (len(lead) + 8)
        value = b"".join(lead + word.to_bytes(8, "little") for word in stack[:depth])
        value = value.ljust(self.spec.value_size, b"\0")
        for key in self.keys():
            if self.value(key) == value:
                return int.from_bytes(key, "little")
        number = sum(1 for _ in self.keys())
        if number >= self.spec.max_entries:
            return -errno.ENOMEM
        self.update(number.to_bytes(4, "little"), value, ANY, 0)
        return number


#: Kind → what holds it. A ring buffer is no table: see ``ring``.
TABLES: dict[str, type[Table]] = {
    "hash": HashTable,
    "lru_hash": HashTable,
    "percpu_hash": HashTable,
    "lru_percpu_hash": HashTable,
    "rhash": HashTable,
    "array": ArrayTable,
    "percpu_array": ArrayTable,
    "prog_array": ProgramsTable,
    "stack_trace": StackTable,
}
