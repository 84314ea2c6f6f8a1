"""Hash maps read as numpy records.

Shapes below: ``n`` entries now in the map, ``c`` possible CPUs.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pyebpf.runtime.maps.base import EntryMap
from pyebpf.runtime.maps.growth import Copy, copy_of, growth, remembered


class HashMap(EntryMap):
    """An open hash map: ``hash``, ``lru_hash``, their per-CPU forms, ``lpm_trie``, ``stack_trace``.

    Shape:  a value is ``()`` of its type, or ``(c,)`` when the kind is per-CPU.
    Since:  Linux 3.19 (feature ``map.hash``).
    """

    #: What :meth:`added` saw last.
    _copy: Copy | None = None

    def __delitem__(self, key: object) -> None:
        """Remove an entry.

        Raises:
            KeyError: the map has no such key.
        """
        if not self._remove(key):
            raise KeyError(key)

    def pop(self, key: object, default: Any = None) -> Any:
        """Remove an entry and return its value, or ``default`` if there is no such key.

        Both are one step since Linux 5.14; before, what a program stores in between is lost.
        """
        found = self._pop(self._pack_key(key))
        return default if found is None else self.layout.unpack_value(found)

    def _pop(self, key: bytes) -> bytes | None:
        return self._reader.take_one(self.open_fd(), key)

    def take(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Copy all entries out and remove them.

        Each bucket is copied and emptied under its lock (Linux 5.6), so what programs insert or
        replace is either here or still in the map, once. **Not exact** is what a program adds *in
        place*, ``counts[key] += 1``: that is found and added in two steps, and an addition whose
        entry was taken between them is lost. Nothing is lost with :meth:`added`, which leaves the
        entries, with ``ArrayOfMaps.swap``, and with ``take()`` of ``Count``, ``Sum`` and the like.
        Of networks, and without batch operations, updates between copying and removing are lost.

        Returns:
            keys ``(n,)``, and values ``(n,)`` or ``(n, c)``.
        """
        return self._reader.read(self.open_fd(), delete=True)

    def added(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what was added to each entry since the last time; the entries stay.

        Nothing is written to the map, so no addition is lost and none is there twice, however
        programs add: it is for values that grow, ``counts[key] += 1``. Entries that did not change
        are left out. Fields that are no numbers come as they are. A map whose entries are also
        removed has other numbers: use :meth:`take`, which says what it loses, or
        ``ArrayOfMaps.swap``, which loses nothing.

        Returns:
            keys ``(n,)``, and values ``(n,)`` or ``(n, c)``.
        """
        keys, values = self.snapshot()
        now, order = copy_of(self._pack_keys(keys), values)
        before = self._copy
        if before is None:
            self._copy = now
            return keys[order], now.values.copy()
        self._copy = remembered(before, now)
        values, changed = growth(before, now)
        return keys[order][changed], values[changed]

    def clear(self) -> None:
        """Remove all entries."""
        self.take()
