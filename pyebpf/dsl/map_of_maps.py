"""Maps of maps: which one a program uses is decided while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.maps import Array, Hash, MapDecl, Sized
from pyebpf.errors import PyebpfError
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.types import DataType

M = TypeVar("M", bound=MapDecl)


class OfMaps(Sized, Generic[M]):
    """What maps of maps have in common."""

    def __init__(
        self,
        inner: M,
        entries: tuple[M, ...] = (),
        *,
        max_entries: int = 0,
        **flags: Unpack[MapFlags],
    ) -> None:
        super().__init__(max_entries or max(1, len(entries)), **flags)
        if not isinstance(inner, (Hash, Array)):
            raise PyebpfError(f"{type(self).__name__}: the inner map is a hash or an Array")
        if len(entries) > self.max_entries:
            name = type(self).__name__
            raise PyebpfError(f"{name}: {len(entries)} maps in {self.max_entries} entries")
        if inner.pin and inner not in entries:
            raise PyebpfError(
                f"{type(self).__name__}: the inner map says what the maps are like, and is none of "
                f"them: its pin={inner.pin!r} would do nothing"
            )
        if self.pin and not all(entry.pin for entry in entries):
            raise PyebpfError(
                f"{type(self).__name__}(pin={self.pin!r}): each of its maps needs a pin=… too, or "
                "those of the next session would not be those in it"
            )
        self.inner, self.entries = inner, entries

    def spec(self, name: str, cpus: int) -> MapSpec:
        """Return the specification; maps in it are like ``inner``."""
        inner = self.inner.spec(f"{name}.inner", cpus)
        return super().spec(name, cpus).replace(inner=inner)


class ArrayOfMaps(OfMaps[M]):
    """Maps by number: ``by_day = ArrayOfMaps(Hash[u32, u64](max_entries=64), max_entries=7)``.

    In a probe ``by_day.get(3)`` is a map like the first argument, or None.

    Args:
        inner: what the maps are like.
        entries: declared maps, which are in it from the start.
        max_entries: how many there may be, if more than are given.

    Since:  Linux 4.12.
    """

    kind = "array_of_maps"

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value, which is a map's number."""
        return U32, U32

    def get(self, index: int) -> M | None:
        """Return a map, or None if there is none: test it before use."""
        self._outside("get()")


class HashOfMaps(OfMaps[M]):
    """Maps by keys: ``by_user = HashOfMaps(Hash[u32, u64](max_entries=64), key=u32)``.

    Args:
        inner: what the maps are like.
        key: the type of the keys.
        max_entries: how many there may be.

    Since:  Linux 4.12.
    """

    kind = "hash_of_maps"

    def __init__(
        self, inner: M, *, key: Any, max_entries: int = 1024, **flags: Unpack[MapFlags]
    ) -> None:
        super().__init__(inner, max_entries=max_entries, **flags)
        self.key = key

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value, which is a map's number."""
        kind = data_type(self.key)
        if kind is None:
            raise PyebpfError(f"HashOfMaps: key={self.key!r} has no size in the kernel")
        return kind, U32

    def get(self, key: Any) -> M | None:
        """Return a map, or None if there is none: test it before use."""
        self._outside("get()")
