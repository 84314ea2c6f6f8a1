"""Streams of records to user space."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union, get_args, get_origin, overload

from pyebpf.abi.constants import BPF_F_RB_OVERWRITE
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.constants import value_of
from pyebpf.dsl.map_flags import Chosen
from pyebpf.dsl.maps import MapDecl
from pyebpf.errors import PyebpfError
from pyebpf.spec.events import PAGE, EventShape
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, DataType, Record, overlaid
from pyebpf.spec.types import record as lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.target import Target

R = TypeVar("R")
T = TypeVar("T")

PERF = "perf_event_array"


class Events(MapDecl, Generic[R]):
    """A stream to user space: ``Events[Opened](pages=64)``, a ring buffer of records.

    Numbers and tuples can be sent too: ``Events[u64]()``, ``Events[tuple[u32, u64]]()``; and
    records of several types, ``Events[Opened | Closed]()``, each with a number that says which.

    What the buffer has no room for is counted (``session.lost()``), never silently dropped. A
    kernel without ring buffers has a buffer of perf events for each CPU in its place, read in the
    same way: records are in order on each CPU then.

    Args:
        pages: size of the buffer in pages of 4096 bytes, a power of two; of perf events, of each
            CPU's. It may be a ``Const``.
        trim: of a text at the end of a record send only what is used of it, so that there is room
            for more records. What is read is the same.
        perf: take perf events on every kernel.
        flags: ``rb_overwrite``, ``numa_node`` and ``pin``.

    Since:  Linux 5.8; with perf events 4.4.
    """

    kind = "ringbuf"

    def __init__(
        self,
        pages: int = 64,
        *,
        trim: bool = False,
        perf: bool = False,
        **flags: Unpack[MapFlags],
    ) -> None:
        self._pages = pages
        self.pages = self.pages_with({})
        self.trim = trim
        self.perf = perf
        self.chosen = Chosen("Events", self.kind, flags)
        self.pin = self.chosen.pin

    def pages_with(self, options: Mapping[Any, Any]) -> int:
        """Return how large the buffer is with these values of constants, in pages."""
        pages: int = value_of(self._pages, options)
        if pages < 1 or pages & (pages - 1):
            raise PyebpfError(f"Events(pages={pages}): the kernel wants a power of two")
        return pages

    def shape(self) -> EventShape:
        """Return what the records are."""
        arg = next(iter(self.type_arguments()), None)
        args = get_args(arg) if get_origin(arg) in (Union, UnionType) else (arg,)
        kinds = tuple(kind for each in args if (kind := data_type(each)) is not None)
        if len(kinds) != len(args):
            raise PyebpfError("Events needs a type with a size: Events[Opened](pages=64)")
        names = [str(kind) for kind in kinds]
        if len(kinds) > 1 and not all(_is_record(kind) for kind in kinds):
            raise PyebpfError(f"Events[{' | '.join(names)}]: several types must be @record classes")
        if len({*names}) < len(names):
            raise PyebpfError(f"Events[{' | '.join(names)}]: two types have one name")
        shape = EventShape(kinds, self.trim, self.perf)
        if self.trim and not any(map(shape.tail, kinds)):
            why = "no record ends with a text: put the field `… : Char = chars(…)` last"
            raise PyebpfError(f"Events[{' | '.join(names)}](trim=True): {why}")
        return shape

    def stored(self) -> DataType:
        """Return the record, or all of them at one place."""
        shape = self.shape()
        if not shape.is_tagged:
            return shape.kinds[0]
        return overlaid(lay_out(shape.name(), [(str(kind), kind) for kind in shape.kinds]))

    def spec(self, name: str, cpus: int) -> MapSpec:
        node, value = self.chosen.numa_node, self.stored()
        if self.perf:
            return self._by_perf(name, cpus)
        size = self.pages * PAGE
        return MapSpec(name, self.kind, 0, 0, size, self.chosen.bits, value=value, numa_node=node)

    def spec_for(self, name: str, target: Target) -> MapSpec:
        """Return the map for a kernel: perf events where it has no ring buffers.

        Raises:
            PyebpfError: those do not have what was declared.
        """
        if target.lacks("ringbuf"):
            return self._by_perf(name, target.cpus)
        return self.spec(name, target.cpus)

    def _by_perf(self, name: str, cpus: int) -> MapSpec:
        if self.chosen.bits & BPF_F_RB_OVERWRITE:
            raise PyebpfError("rb_overwrite is for ring buffers: perf events drop what is new")
        bits, node = self.chosen.bits, self.chosen.numa_node
        return MapSpec(name, PERF, 4, 4, cpus, bits, U32, U32, numa_node=node)

    @overload
    def reserve(self) -> AbstractContextManager[R]: ...
    @overload
    def reserve(self, kind: type[T]) -> AbstractContextManager[T]: ...
    def reserve(self, kind: Any = None) -> Any:
        """Build a record where it will be sent from: ``with events.reserve() as e: …``.

        Fields that are not set are 0. The record is sent when the block is left, by ``return`` too.
        Without room in the buffer the block is skipped and the record counted as lost. A record
        that is trimmed, or goes through perf events, is built elsewhere: its block always runs.

        Args:
            kind: of records of several types, which one.
        """
        self._outside("reserve()")

    def discard(self, record: R) -> None:
        """Give a reserved record up: it is not sent when its block is left."""
        self._outside("discard()")

    def emit(self, record: R) -> None:
        """Send one record: ``events.emit(Opened(pid=tgid()))``."""
        self._outside("emit()")


def _is_record(kind: DataType) -> bool:
    return isinstance(kind, Record) and not kind.is_tuple
