"""Tables of programs, for tail calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import index

from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.spec.objects import MapSpec


class ProgramTable(MapHandle):
    """An open ``BPF_MAP_TYPE_PROG_ARRAY``: assigning a probe changes what programs go on in.

    The probe must be one that the session loaded, or a program that was pinned, of the same kind
    as the others in the table.

    Since:  Linux 4.2.
    """

    def __init__(self, fd: int, spec: MapSpec, find: Callable[[object], int]) -> None:
        super().__init__(fd, spec)
        self._find = find

    def __len__(self) -> int:
        return self.spec.max_entries

    def __setitem__(self, number: int, probe: object) -> None:
        """Put a loaded probe into an entry.

        Raises:
            IndexError: there is no such entry.
            KeyError: the session did not load the probe.
            KernelError: the program is of another kind.
        """
        key, value = self._key(number), self._find(probe).to_bytes(4, "little")
        syscall.map_update(self.open_fd(), call.address_of(key), call.address_of(value))

    def __delitem__(self, number: int) -> None:
        """Empty an entry; it may be empty already."""
        key = self._key(number)
        syscall.map_delete(self.open_fd(), call.address_of(key))

    def __contains__(self, number: object) -> bool:
        """Tell whether an entry has a program."""
        memory, address = call.buffer(4)
        key = self._key(number)
        found = syscall.map_lookup(self.open_fd(), call.address_of(key), address)
        return found and bool(memory)

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers of the entries that have a program."""
        return (number for number in range(len(self)) if number in self)

    def _key(self, number: object) -> bytes:
        at = index(number)  # type: ignore[arg-type]  # refusing what is no integer is the purpose
        at += len(self) if at < 0 else 0
        if not 0 <= at < len(self):
            raise IndexError(f"map {self.name!r} has entries 0 to {len(self) - 1}, not {number}")
        return at.to_bytes(4, "little")
