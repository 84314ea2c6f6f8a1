"""Values that belong to threads, inodes, sockets and cgroups: found by a descriptor of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from pyebpf.runtime.maps.base import EntryMap


class ObjectMap(EntryMap):
    """An open storage. The key is an open file or socket, a descriptor, or a name of the object.

    A name is the number of a process for a ``task_storage``, and a path for an ``inode_storage`` or
    a ``cgrp_storage``. The kernel does not list what has a value, so there is nothing to loop over.

    Since:  Linux 5.2 for sockets, 5.10 inodes, 5.11 threads, 6.2 cgroups.
    """

    def __getitem__(self, key: object) -> Any:
        """Return a copy of the value of an object.

        Raises:
            KeyError: it has none.
            OSError: there is no such object.
        """
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: object, default: Any = None) -> Any:
        """Return a copy of the value of an object, or ``default`` if it has none."""
        with self._open(key) as descriptor:
            return super().get(descriptor, default)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: object, value: object) -> None:
        """Give an object a value."""
        with self._open(key) as descriptor:
            super().__setitem__(descriptor, value)

    def __delitem__(self, key: object) -> None:
        """Remove the value of an object.

        Raises:
            KeyError: it has none.
        """
        with self._open(key) as descriptor:
            if not self._remove(descriptor):
                raise KeyError(key)

    def pop(self, key: object, default: Any = None) -> Any:
        """Remove the value of an object and return it, or ``default`` if it has none.

        What a program stores between the two steps is lost.
        """
        with self._open(key) as descriptor:
            found = super().get(descriptor)
            return found if found is not None and self._remove(descriptor) else default

    def update_many(self, keys: Any, values: Any) -> None:
        """Give many objects, ``keys``, each the value of ``values``, one after the other."""
        for key, value in zip(keys, values, strict=True):
            self[key] = value

    def snapshot(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Refuse, as do ``keys()``, ``values()``, ``items()`` and ``table()``.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"map {self.name!r}: the kernel does not list the objects of a storage")

    def __iter__(self) -> Iterator[Any]:
        """Refuse.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"map {self.name!r}: the kernel does not list the objects of a storage")

    def __len__(self) -> int:
        raise TypeError(f"map {self.name!r}: the kernel does not count the values of a storage")

    @contextmanager
    def _open(self, key: object) -> Iterator[int]:
        """Yield a descriptor of an object; one that was opened for it is closed again."""
        given: Any = key.fileno() if hasattr(key, "fileno") else key
        if self.spec.kind == "task_storage" and isinstance(given, int) and given is key:
            descriptor = os.pidfd_open(given)
        elif isinstance(given, str | os.PathLike):
            descriptor = os.open(given, os.O_RDONLY)
        else:
            yield int(given)
            return
        try:
            yield descriptor
        finally:
            os.close(descriptor)
