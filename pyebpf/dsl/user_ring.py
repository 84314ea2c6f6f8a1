"""A stream from user space to programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.map_flags import Chosen
from pyebpf.dsl.maps import MapDecl
from pyebpf.errors import PyebpfError
from pyebpf.spec.events import PAGE
from pyebpf.spec.objects import MapSpec

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.types import DataType

R = TypeVar("R")


class UserEvents(MapDecl, Generic[R]):
    """A stream from user space: ``commands = UserEvents[Command](pages=1)``.

    Outside, ``session[commands].push(record)``; in a probe ``for command in commands:`` takes out
    what has been sent so far, and leaves what is behind a ``break``.

    Args:
        pages: size of the buffer in pages of 4096 bytes, a power of two.
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.

    Since:  Linux 6.1.
    """

    kind = "user_ringbuf"

    def __init__(self, pages: int = 1, **flags: Unpack[MapFlags]) -> None:
        if pages < 1 or pages & (pages - 1):
            raise PyebpfError(f"UserEvents(pages={pages}): the kernel wants a power of two")
        self.pages = pages
        self.chosen = Chosen("UserEvents", self.kind, flags)
        self.pin = self.chosen.pin

    def record(self) -> DataType:
        """Return the layout of what is sent."""
        args = self.type_arguments()
        kind = data_type(args[0]) if args else None
        if kind is None:
            raise PyebpfError("UserEvents needs a type with a size: UserEvents[Command](pages=1)")
        return kind

    def spec(self, name: str, cpus: int) -> MapSpec:
        size, chosen = self.pages * PAGE, self.chosen
        value, node = self.record(), chosen.numa_node
        return MapSpec(name, self.kind, 0, 0, size, chosen.bits, value=value, numa_node=node)

    def __iter__(self) -> Iterator[R]:
        self._outside("for … in")
