"""From an open map and its declaration to what Python reads and writes it with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pyebpf.dsl.constants import value_of
from pyebpf.dsl.events import PERF, Events
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.perf import PerfEventArray
from pyebpf.dsl.tail import TailCalls
from pyebpf.dsl.user_ring import UserEvents
from pyebpf.host.cpus import online, possible_count
from pyebpf.lazy import lazy
from pyebpf.spec.events import PAGE

if TYPE_CHECKING:
    from pyebpf.runtime import events, maps, stream
    from pyebpf.runtime.map_fd import MapFd
    from pyebpf.runtime.maps import aggregates, perf, places, programs, user_ring
    from pyebpf.spec.objects import MapSpec
else:
    # What reads maps needs numpy, which a start does not wait for.
    events = lazy("pyebpf.runtime.events")
    maps = lazy("pyebpf.runtime.maps")
    aggregates = lazy("pyebpf.runtime.maps.aggregates")
    perf = lazy("pyebpf.runtime.maps.perf")
    places = lazy("pyebpf.runtime.maps.places")
    programs = lazy("pyebpf.runtime.maps.programs")
    stream = lazy("pyebpf.runtime.stream")
    user_ring = lazy("pyebpf.runtime.maps.user_ring")


@runtime_checkable
class HasFileno(Protocol):
    """Something open."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


def open_view(
    decl: MapDecl,
    opened: MapFd,
    options: Mapping[Any, Any],
    find: Callable[[object], int],
    lost: Callable[[], int] | None = None,
    others: Sequence[MapFd] = (),
) -> Any:
    """Return the view of an open map.

    Args:
        decl: what declares it.
        opened: the map; the view has a descriptor of its own.
        options: values of ``Const`` declarations.
        find: gives the descriptor of a probe's program, for tables of them. A program that was
            pinned has its own.
        lost: tells how many updates of the map were refused.
        others: what else the declaration made: the second map of stacks, the maps in one of maps.
            The view has descriptors of its own.
    """

    def descriptor(program: object) -> int:
        return program.fileno() if isinstance(program, HasFileno) else find(program)

    spec = decl.spec(opened.spec.name, possible_count())
    spec = spec.replace(max_entries=opened.spec.max_entries)  # which an option may have said
    fd = os.dup(opened.fd)
    if isinstance(decl, TailCalls):
        return programs.ProgramTable(fd, spec, descriptor)
    if isinstance(decl, UserEvents):
        return user_ring.UserRing(fd, opened.spec, decl.record())
    if isinstance(decl, (PerfEventArray, Events)):
        pages = decl.pages_with(options) if isinstance(decl, Events) else decl.pages
        return _stream(decl, fd, opened.spec, pages, lost)
    if getattr(decl, "programs", False):
        return places.ProgrammedPlaceMap(fd, spec, descriptor)
    opened_map, shape = maps.open_map(fd, spec), decl.aggregate()
    if isinstance(opened_map, maps.OfMaps) and opened.load_types is not None:
        opened_map.use_types(opened.spec.inner, opened.load_types)
    for number, other in enumerate(others):
        if isinstance(opened_map, maps.OfMaps):
            opened_map.know(number, os.dup(other.fd))
        elif isinstance(opened_map, maps.StackTraceMap):
            opened_map.use_second(os.dup(other.fd))
    if shape is None:
        return opened_map
    totals = bool(value_of(getattr(decl, "totals", False), options))
    return aggregates.open_aggregate(opened_map, shape, totals=totals)


def _stream(
    decl: PerfEventArray[Any] | Events[Any],
    fd: int,
    spec: MapSpec,
    pages: int,
    lost: Callable[[], int] | None,
) -> Any:
    """Return the view of a map that records go through, or of counters."""
    shape = decl.shape()
    if shape is None:
        return perf.PerfCounters(fd, spec, online())
    if spec.kind == PERF:
        buffers = perf.PerfBuffers(fd, spec.name, pages * PAGE, online())
        return stream.EventStream(buffers, shape.replace(perf=True), lost)
    ring = events.RingBuffer(fd, spec.max_entries, spec.name)
    return stream.EventStream(ring, shape, lost)
