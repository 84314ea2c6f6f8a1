"""Maps of devices, CPUs, sockets and cgroups: what programs send to, or compare with."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from operator import index
from typing import Any

from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.batch import keys_of
from pyebpf.runtime.maps.layout import Half
from pyebpf.spec.objects import MapSpec

PLACES = (
    "devmap",
    "devmap_hash",
    "cpumap",
    "xskmap",
    "sockmap",
    "sockhash",
    "reuseport_sockarray",
    "cgroup_array",
)
_BY_NUMBER = ("devmap", "cpumap", "xskmap", "sockmap", "reuseport_sockarray", "cgroup_array")


class PlaceMap(MapHandle):
    """An open map of a kind whose entries are put in by user space.

    What is stored is a device's name or number (``devmap``, ``devmap_hash``), the length of a queue
    (``cpumap``), an open socket (``xskmap``, ``sockmap``, ``sockhash``, ``reuseport_sockarray``),
    or the path of a cgroup (``cgroup_array``); an open file or its descriptor stands for itself.
    What is read is the device's number, the queue's length, the socket's cookie.
    """

    def __init__(self, fd: int, spec: MapSpec) -> None:
        super().__init__(fd, spec)
        self.key = Half(spec.key, spec.key_size, f"key of map {spec.name!r}")

    def __setitem__(self, key: object, value: object) -> None:
        """Put something into an entry.

        Raises:
            IndexError: there is no such entry.
            OSError: there is no such device or path.
        """
        packed = self._packed(key)
        if self.spec.kind == "cgroup_array" and isinstance(value, str | os.PathLike):
            opened = os.open(value, os.O_RDONLY)
            try:
                self._store(packed, opened)
            finally:
                os.close(opened)
            return
        convert = _NUMBERS.get(self.spec.kind, _descriptor)
        self._store(packed, convert(value))

    def _store(self, key: bytes, number: int) -> None:
        data = number.to_bytes(self.spec.value_size, "little")
        syscall.map_update(self.open_fd(), call.address_of(key), call.address_of(data))

    def __getitem__(self, key: object) -> int:
        """Return what is in an entry, as a number.

        Raises:
            KeyError: nothing is.
            KernelError: this kind of map cannot be read.
        """
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return int(found)

    def get(self, key: object, default: Any = None) -> Any:
        """Return what is in an entry, as a number; ``default`` if nothing is."""
        packed = self._packed(key)
        memory, address = call.buffer(self.spec.value_size)
        if not syscall.map_lookup(self.open_fd(), call.address_of(packed), address):
            return default
        number = int.from_bytes(memory.raw[: self.spec.value_size], "little")
        return number or default  # an empty entry of an array is 0

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def keys(self) -> list[Any]:
        """Return the keys of the entries with something in them.

        Raises:
            KernelError: this kind of map cannot be read.
        """
        return [key for key, _ in self.items()]

    def items(self) -> list[tuple[Any, int]]:
        """Return what is in the entries, as numbers.

        Raises:
            KernelError: this kind of map cannot be read.

        Cost: two system calls for each entry, of maps by number for empty ones too.
        """
        listed = keys_of(self.open_fd(), self.spec.key_size, self.spec.max_entries)
        keys = map(self.key.unpack, listed)
        return [(key, found) for key in keys if (found := self.get(key)) is not None]

    def __iter__(self) -> Iterator[Any]:
        """Yield :meth:`keys`."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Return how many entries have something in them."""
        return len(self.items())

    def __bool__(self) -> bool:
        return True  # a handle is not false for being empty

    def __delitem__(self, key: object) -> None:
        """Empty an entry.

        Raises:
            KeyError: the map has no such key.
        """
        packed = self._packed(key)
        if not syscall.map_delete(self.open_fd(), call.address_of(packed)):
            raise KeyError(key)

    def _packed(self, key: object) -> bytes:
        if self.spec.kind in _BY_NUMBER:
            at = index(key)  # type: ignore[arg-type]  # refusing what is no integer is the purpose
            if not 0 <= at < self.spec.max_entries:
                last = self.spec.max_entries - 1
                raise IndexError(f"map {self.name!r} has entries 0 to {last}, not {at}")
        return self.key.pack(key)


class ProgrammedPlaceMap(PlaceMap):
    """An open map of devices or CPUs whose entries may hold a program, too.

    What is stored is a place, or a pair: the place, and an ``@xdp(entry_of=…)`` probe of the
    session. What is read is the place's number.

    Since:  Linux 5.8; of CPUs 5.9.
    """

    def __init__(self, fd: int, spec: MapSpec, find: Callable[[object], int]) -> None:
        super().__init__(fd, spec)
        self._find = find

    def __setitem__(self, key: object, value: object) -> None:
        """Put a place into an entry, or a place and a probe.

        Raises:
            IndexError: there is no such entry.
            KeyError: the session did not load the probe.
            OSError: there is no such device.
        """
        place, probe = value if isinstance(value, tuple) else (value, None)
        program = 0 if probe is None else self._find(probe)
        self._store(self._packed(key), _NUMBERS[self.spec.kind](place) | program << 32)

    def get(self, key: object, default: Any = None) -> Any:
        """Return the number of the place in an entry; ``default`` if nothing is."""
        found = super().get(key)
        return default if found is None else found & 0xFFFFFFFF


def _device(value: Any) -> int:
    return socket.if_nametoindex(value) if isinstance(value, str) else index(value)


def _descriptor(value: Any) -> int:
    return int(value.fileno()) if hasattr(value, "fileno") else index(value)


#: Kinds whose entries are no descriptors, and what makes a number of what is stored.
_NUMBERS: dict[str, Callable[[Any], int]] = {
    "devmap": _device,
    "devmap_hash": _device,
    "cpumap": index,
}
