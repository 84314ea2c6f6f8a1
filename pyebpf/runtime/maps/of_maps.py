"""Maps of maps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from pyebpf.runtime import call, syscall, token
from pyebpf.runtime.map_fd import create_map
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.batch import keys_of
from pyebpf.runtime.maps.layout import Half
from pyebpf.spec.objects import MapSpec


def _no_types() -> int:
    return 0


class OfMaps(MapHandle):
    """An open ``BPF_MAP_TYPE_ARRAY_OF_MAPS`` or ``BPF_MAP_TYPE_HASH_OF_MAPS``.

    What is stored is an open map, such as ``session[decl]`` gives; what is read is another handle
    of it, which the reader closes.

    Since:  Linux 4.12.
    """

    #: Makes the view of an open map; set by ``pyebpf.runtime.maps``, which knows all of them.
    opener: ClassVar[Callable[[int, MapSpec], Any]]

    def __init__(self, fd: int, spec: MapSpec) -> None:
        super().__init__(fd, spec)
        self.key = Half(spec.key, spec.key_size, f"key of map {spec.name!r}")
        self._token = token.current()
        self._inner, self._load_types = spec.inner, _no_types
        #: Descriptors of our own for maps in entries, by the key: only CAP_SYS_ADMIN may open those
        #: by their numbers.
        self._known: dict[bytes, int] = {}

    def know(self, key: object, fd: int) -> None:
        """Keep a descriptor of the map that is in an entry.

        Args:
            key: of the entry.
            fd: the descriptor, which is the view's from here on.
        """
        old = self._known.pop(packed := self.key.pack(key), -1)
        self._known[packed] = fd
        if old >= 0:
            os.close(old)

    def _keep(self, key: object, new: MapHandle) -> None:
        """Keep a descriptor of a map that was just put into an entry."""
        self.know(key, os.dup(new.fileno()))

    def close(self) -> None:
        """Close the descriptors. Closing again does nothing; the maps live while used."""
        super().close()
        while self._known:
            os.close(self._known.popitem()[1])

    def use_types(self, inner: MapSpec | None, load_types: Callable[[], int]) -> None:
        """Make maps with the types that the first inner map was made with.

        Linux 6.1 compares what follows from them, such as whether there is a timer.

        Args:
            inner: what to make, with its types.
            load_types: loads the BTF that they are in; gives a descriptor of it, or 0.
        """
        self._inner, self._load_types = inner, load_types

    def __setitem__(self, key: object, value: MapHandle) -> None:
        """Put a map into an entry.

        Raises:
            KernelError: it is not like the inner map that was declared.
        """
        packed, number = self.key.pack(key), value.fileno().to_bytes(4, "little")
        syscall.map_update(self.open_fd(), call.address_of(packed), call.address_of(number))

    def make(self, key: object) -> Any:
        """Make a map like the inner one, put it into an entry, and return a handle of it."""
        inner = self.spec.inner
        assert inner is not None
        with token.using(self._token):
            view = type(self).opener(self._create(), inner)
        try:
            self[key] = view
        except BaseException:
            view.close()
            raise
        return view

    def _create(self) -> int:
        assert self._inner is not None
        types = self._load_types()
        try:
            return create_map(self._inner, types).fd
        finally:
            if types:
                os.close(types)

    def swap(self, key: object) -> Any:
        """Put an empty map like the inner one into an entry, and return what was there: for good.

        When this returns, every program that had looked up the old map has ended, so what it holds
        does not change any more: ``with session[by_turn].swap(0) as past: past.snapshot()`` is all
        that programs did since the last one, whatever way they did it, and nothing twice.
        (Programs that may wait, such as ``@fentry(…, sleepable=True)``, are not waited for.)

        Returns:
            a handle of the map that was in the entry, which the caller closes.

        Raises:
            KeyError: there was none.

        Since:  Linux 4.20.
        Cost:   a new map, and some milliseconds of waiting.
        """
        old = self[key]
        try:
            with self.make(key) as new:
                self._keep(key, new)
        except BaseException:
            old.close()
            raise
        return old

    def keys(self) -> list[Any]:
        """Return the keys of the entries with a map in them."""
        keys = map(self.key.unpack, self._listed())
        return [key for key in keys if key in self]

    def _listed(self) -> list[bytes]:
        return keys_of(self.open_fd(), self.spec.key_size, self.spec.max_entries)

    def __iter__(self) -> Iterator[Any]:
        """Yield :meth:`keys`."""
        return iter(self.keys())

    def __len__(self) -> int:
        """Return how many entries have a map in them."""
        return len(self.keys())

    def __bool__(self) -> bool:
        return True  # a handle is not false for being empty

    def __getitem__(self, key: object) -> Any:
        """Return a handle of the map in an entry.

        Raises:
            KeyError: there is none.
        """
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: object) -> Any:
        """Return a handle of the map in an entry, or None."""
        packed = self.key.pack(key)
        memory, address = call.buffer(4)
        if not syscall.map_lookup(self.open_fd(), call.address_of(packed), address):
            return None
        inner = self.spec.inner
        assert inner is not None
        number, known = int.from_bytes(memory.raw[:4], "little"), self._known.get(packed, -1)
        if known >= 0 and syscall.map_info(known).id == number:
            return type(self).opener(os.dup(known), inner)
        return type(self).opener(syscall.fd_by_id("map", number), inner)

    def __contains__(self, key: object) -> bool:
        found = self.get(key)
        if found is not None:
            found.close()
        return found is not None

    def __delitem__(self, key: object) -> None:
        """Empty an entry.

        Raises:
            KeyError: there is nothing in it.
        """
        packed = self.key.pack(key)
        if not syscall.map_delete(self.open_fd(), call.address_of(packed)):
            raise KeyError(key)
