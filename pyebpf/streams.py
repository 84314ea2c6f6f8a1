"""Part of a session: what its probes send and print, and what of that was lost."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import TYPE_CHECKING, Any, cast

from pyebpf.dsl.events import PERF, Events
from pyebpf.dsl.perf import PerfEventArray
from pyebpf.dsl.unit_names import LOST_MAP, LOST_SECTION, PRINT_MAP, PRINT_PAGES
from pyebpf.errors import PyebpfError
from pyebpf.host.cpus import online
from pyebpf.lazy import lazy
from pyebpf.open_maps import OpenMaps
from pyebpf.runtime import syscall
from pyebpf.runtime.printed import format_line
from pyebpf.spec.events import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyebpf import recorder, recordings
    from pyebpf.dsl.collect import Collected
    from pyebpf.dsl.maps import MapDecl
    from pyebpf.runtime import events
    from pyebpf.runtime.events import RingBuffer
    from pyebpf.runtime.loader import LoadedObject
    from pyebpf.runtime.map_fd import MapFd
    from pyebpf.runtime.maps import perf
    from pyebpf.runtime.maps.perf import PerfBuffers
    from pyebpf.spec.compiled import Compiled
else:
    # What reads records needs numpy, which a start does not wait for.
    events = lazy("pyebpf.runtime.events")
    perf = lazy("pyebpf.runtime.maps.perf")
    recorder = lazy("pyebpf.recorder")
    recordings = lazy("pyebpf.recordings")

#: Bytes of a counter of losses.
_COUNTER = 8


class Losses:
    """The counters of updates that the kernel refused.

    Args:
        counters: the map that they are in, an entry or a part of its only one each; None if
            nothing can be refused.
        numbers: of each map that is counted, by its name.
    """

    def __init__(self, counters: MapFd | None, numbers: Mapping[str, int]) -> None:
        self._counters, self._numbers = counters, numbers
        self._kept: dict[str, int] | None = None

    def of(self, name: str) -> int:
        """Return how many updates of a map were refused."""
        if self._counters is None or name not in self._numbers:
            return 0
        if self._kept is not None:
            return self._kept[name]
        # Without numpy: a tool may ask for losses and nothing else.
        entry, part = divmod(_COUNTER * self._numbers[name], self._counters.spec.value_size)
        key, value = ctypes.c_uint32(entry), (ctypes.c_char * self._counters.spec.value_size)()
        syscall.map_lookup(self._counters.fd, ctypes.addressof(key), ctypes.addressof(value))
        return int.from_bytes(value.raw[part : part + _COUNTER], sys.byteorder)

    def all(self) -> dict[str, int]:
        """Return how many were refused by map, of those where any were."""
        counts = {name: self.of(name) for name in self._numbers}
        return {name: count for name, count in counts.items() if count}

    def keep(self) -> None:
        """Remember the counts as they are now: the map that they are in is closed next."""
        self._kept = {name: self.of(name) for name in self._numbers}


class Streams(OpenMaps):
    """What the probes of a session send to it, besides what is in its maps.

    Attributes:
        compiled: what was loaded.
    """

    _closed = False

    def __init__(self, loaded: LoadedObject, compiled: Compiled, found: Collected) -> None:
        super().__init__()
        self.compiled = compiled
        self._loaded = loaded
        self._found = found
        counters = loaded.maps.get(LOST_SECTION) or loaded.maps.get(LOST_MAP)
        self._losses = Losses(counters, {"print": 0, **dict(compiled.lost)})
        self._printed: RingBuffer | PerfBuffers | None = None

    def open_buffers(self) -> None:
        """Open the buffers of perf events: what is sent before they are there is lost."""
        perf = [name for name, opened in self._loaded.maps.items() if opened.spec.kind == PERF]
        for decl, name in self._found.maps.items():
            if name in perf and isinstance(decl, (Events, PerfEventArray)) and decl.shape():
                self[decl]
        if PRINT_MAP in perf:
            self._lines_sent()

    def sleep(self, seconds: float) -> None:
        """Wait, writing what probes print to standard output as it comes.

        Args:
            seconds: how long; ``float("inf")`` waits until Ctrl-C.
        """
        for line in self.lines(seconds):
            sys.stdout.write(line)
            sys.stdout.flush()

    def lines(self, seconds: float = float("inf")) -> Iterator[str]:
        """Yield what probes print, line by line with line ends, for some seconds."""
        self._check_open()
        end = time.monotonic() + seconds
        if PRINT_MAP not in self._loaded.maps:
            _wait_until(end)
            return
        sent = self._lines_sent()
        while True:
            for record in sent.read_raw():
                yield format_line(record, self.compiled.prints)
            left = end - time.monotonic()
            if left <= 0:
                return
            sent.wait(min(left, 1.0))

    def _lines_sent(self) -> RingBuffer | PerfBuffers:
        if self._printed is None:
            opened = self._loaded.maps[PRINT_MAP]
            fd, size = os.dup(opened.fd), opened.spec.max_entries
            if opened.spec.kind == PERF:
                self._printed = perf.PerfBuffers(fd, "print", PRINT_PAGES * PAGE, online())
            else:
                self._printed = events.RingBuffer(fd, size, "print")
        return self._printed

    def close_lines(self) -> None:
        """Close the buffer of printed lines."""
        if self._printed is not None:
            self._printed.close()

    def lost(self) -> dict[str, int]:
        """Return how many updates the kernel refused, by map; empty if none were.

        A hash or histogram that is full refuses new keys; a ring buffer that is full refuses
        records (``print`` is the buffer of printed lines). Of a session that was closed it is what
        there was then.
        """
        return self._losses.all()

    def record(
        self,
        path: str | os.PathLike[str],
        *events: Events[Any] | PerfEventArray[Any],
        seconds: float = float("inf"),
    ) -> int:
        """Write the records of streams to a file as they come; :func:`pyebpf.replay` reads it.

        Ctrl-C ends it, once everything that was read is in the file. What was written before a full
        disk stays.

        Args:
            path: of a file that does not exist yet.
            events: which streams; all if none is named.
            seconds: for how long.

        Returns:
            how many records that were.

        Raises:
            RecordingError: the file cannot be written, or not on.
            PyebpfError: the session has no streams.
            KeyboardInterrupt: the recording is complete; there is none if it had not begun.
        """
        all_of_them = [decl for decl in self._found.maps if decl.shape() and self._is_loaded(decl)]
        streams = [self[decl] for decl in cast("list[Events[Any]]", events or all_of_them)]
        if not streams:
            raise PyebpfError("there is nothing to record: no probe here uses Events")
        programs = tuple((info.name, info.kind, info.target) for info in self.compiled.programs)
        kernel = os.uname()
        about = recordings.About(programs, kernel.release, kernel.machine, time.time())
        return recorder.record(path, about, streams, seconds)

    def _check_open(self) -> None:
        if self._closed:
            raise PyebpfError("the session is closed")

    def _is_loaded(self, decl: MapDecl) -> bool:
        return self._found.maps[decl] in self._loaded.maps


def _wait_until(end: float) -> None:
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))  # a Ctrl-C just before it is not seen before it ends
