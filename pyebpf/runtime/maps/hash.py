"""Hash maps read as numpy records.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pyebpf.runtime.maps.base import EntryMap


class HashMap(EntryMap):
    """An open hash map: ``hash``, ``lru_hash``, their per-CPU forms, ``lpm_trie``, ``stack_trace``.

    Shape:  a value is ``()`` of its type, or ``(c,)`` when the kind is per-CPU.
    Since:  Linux 3.19 (feature ``map.hash``).
    """

    def __delitem__(self, key: object) -> None:
        """Remove an entry.

        Raises:
            KeyError: the map has no such key.
        """
        if not self._remove(key):
            raise KeyError(key)

    def pop(self, key: object, default: Any = None) -> Any:
        """Remove an entry and return its value, or ``default`` if there is no such key.

        What the kernel stores between the two steps is lost.
        """
        found = self._lookup(key)
        if found is None:
            return default
        return found if self._remove(key) else default

    def take(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out and remove them.

        Each bucket is copied and emptied under its lock (Linux 5.6), so an entry is either here or
        still in the map. Still, a program that looked a value up just before may add to the removed
        one. Without batch operations, updates between copying and removing are lost.

        Returns:
            keys ``(n,)``, and values ``(n,)`` or ``(n, c)``.
        """
        return self._reader.read(self.open_fd(), delete=True)

    def clear(self) -> None:
        """Remove all entries."""
        self.take()
