"""Call stacks by the ids that ``get_stackid`` gave.

Shapes below: ``n`` addresses of a stack, ``d`` addresses that the map keeps of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime import call, syscall
from pyebpf.runtime.maps.hash import HashMap
from pyebpf.runtime.names import KernelNames, ProcessNames, named


class StackTraceMap(HashMap):
    """An open ``BPF_MAP_TYPE_STACK_TRACE``: ids to addresses, innermost first.

    Shape:  a stack is ``(n,)`` of ``uint64``; a snapshot has values ``(m, d)``, 0 behind the end.
    Since:  Linux 4.6.
    """

    _known: dict[int, KernelNames | ProcessNames] | None = None

    def names(self, key: int, pid: int = 0) -> list[str]:
        """Return the functions of a stack, innermost first.

        A place without a name is the file in brackets, or the address in hexadecimal: processes
        that have ended are not known any more, and stripped files say little.

        Args:
            key: the id; if it is negative, as where there was no stack, there are no functions.
            pid: the process whose stack it is; 0 for a stack of the kernel.

        Shape:  n names of a stack of n addresses.
        Cost:   the first of the kernel 0.3 s, the first in a file its symbols; then some µs.
        """
        found = self._lookup(key)
        if found is None:
            return []
        if self._known is None:
            self._known = {}
        if pid not in self._known:
            self._known[pid] = ProcessNames(pid) if pid else KernelNames()
        return named(found.tolist(), self._known[pid])

    def _lookup(self, key: object) -> NDArray[np.uint64] | None:
        if isinstance(key, int | np.integer) and key < 0:
            return None  # what a probe got where there was no stack
        packed = self._pack_key(key)
        memory, address = call.buffer(self.layout.value_bytes)
        if not syscall.map_lookup(self.open_fd(), call.address_of(packed), address):
            return None
        return _ended(np.frombuffer(memory.raw[: self.layout.value_bytes], np.uint64))

    def values(self) -> list[Any]:
        """Return the stacks of one :meth:`snapshot`, each ``(n,)``."""
        return [_ended(row) for row in self.snapshot()[1]]

    def items(self) -> list[tuple[Any, Any]]:
        """Return ids and stacks of one :meth:`snapshot`."""
        keys, values = self.snapshot()
        return [(int(key), _ended(row)) for key, row in zip(keys, values, strict=True)]

    def __iter__(self) -> Iterator[int]:
        """Yield the ids of one :meth:`snapshot`."""
        return iter(self.keys())


def _ended(row: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a stack without the zeros behind it."""
    zeros = np.flatnonzero(row == 0)
    return row[: zeros[0]] if len(zeros) else row
