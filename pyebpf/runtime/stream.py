"""Records that programs send, as they come: batches of numpy records.

Shapes below: ``n`` records.
"""

from __future__ import annotations

import time
from _thread import RLock  # what `threading` has, which costs a start a millisecond
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.runtime import batches
from pyebpf.spec.dtype import decoded_dtype

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from pyebpf.present import interchange
    from pyebpf.runtime.batches import Batch
    from pyebpf.spec.events import EventShape
else:
    asyncio = lazy("asyncio")  # 50 ms, which few streams need

#: How long an iteration waits before it looks whether the stream was closed. Seconds.
_PATIENCE = 0.25


class Source(Protocol):
    """A buffer that records are in: a ring buffer, perf events, or a test's own."""

    name: str
    size: int

    @property
    def pending_bytes(self) -> int:
        """How much of it is taken."""
        ...

    @property
    def fill(self) -> float:
        """How much of it is taken, from 0 to 1."""
        ...

    def fileno(self) -> int:
        """Return a descriptor that polls as readable while there are records."""
        ...

    def wait(self, timeout_s: float | None) -> bool:
        """Wait until there is something to read."""
        ...

    def read(self, shape: EventShape) -> NDArray[Any] | Batch:
        """Take out all records."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class EventStream(Owner):
    """The records that probes send, in order; of perf events, in order on each CPU.

    Iterating waits for records and yields batches until the session is closed; ``async for`` does
    so without holding up the event loop. A batch is a structured array, or of records of several
    types a :class:`~pyebpf.runtime.batches.Batch`.

    What programs sent is what was received, what is still pending, and what was lost:
    ``received`` and ``lost`` count records exactly.

    Attributes:
        name: of the declaration.
        shape: what the records are.
        received: how many records were read so far.
        fullest: the most that was ever found taken, as a part of the buffer: near 1, it is too
            small, or read too seldom.
    """

    def __init__(
        self, source: Source, shape: EventShape, lost: Callable[[], int] | None = None
    ) -> None:
        """Read from a buffer, which is closed with the stream.

        Args:
            source: the buffer.
            shape: what its records are.
            lost: tells how many records found no room.
        """
        self.name = source.name
        self.shape = shape
        self.received = 0
        self.fullest = 0.0
        self._source = source
        self._lost = lost
        self._open = True
        # Held by who reads, or unmaps what is read; twice by the same, for a signal comes anywhere.
        self._using = RLock()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one record; of several types, of the first."""
        return decoded_dtype(self.shape.kinds[0])

    def read(self, timeout_s: float | None = 0.0) -> Any:
        """Return what has arrived, waiting for the first record if there is none.

        Args:
            timeout_s: how long to wait at most; 0 does not wait, None waits for ever.

        Shape:  ``(n,)``, n ≥ 0, a copy.
        """
        batch = self._take()
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not len(batch) and timeout_s != 0:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            if self._source.wait(left):  # it may have been for one that is still being written
                batch = self._take()
        return batch

    def _take(self) -> NDArray[Any] | Batch:
        with self._using:
            self.fullest = max(self.fullest, self.fill)
            batch = self._source.read(self.shape)
            self.received += len(batch)
        return batch

    def values(self, batch: NDArray[Any] | Batch) -> Iterator[Any]:
        """Yield the records of a batch as Python values, of all types in the order of arrival."""
        return batches.values(self.shape, batch)

    def table(self, batch: NDArray[Any] | Batch, kind: object = None) -> interchange.Table:
        """Return a batch in columns, for pandas, polars, pyarrow; addresses are texts.

        Args:
            batch: what was read here, ``(n,)``.
            kind: of records of several types, which: the class, or its name.

        Raises:
            TypeError: there are several types, and none was said.
            KeyError: there are no such records.
        """
        return batches.table(self.shape, batch, kind)

    def each(self, call: Callable[[Any], object], seconds: float = float("inf")) -> int:
        """Call a function with each batch as it comes.

        Args:
            call: takes a batch; what it returns is ignored.
            seconds: for how long.

        Returns:
            how many records that were.
        """
        before, end = self.received, time.monotonic() + seconds
        while self._open and (left := end - time.monotonic()) > 0:
            batch = self._awaited(min(left, _PATIENCE))
            if len(batch):
                call(batch)
        return self.received - before

    @property
    def lost(self) -> int | None:
        """How many records found no room, since the session began; None if nothing counts them."""
        return None if self._lost is None else self._lost()

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer waits to be read, in bytes."""
        return self._source.pending_bytes

    @property
    def size(self) -> int:
        """Of the buffer in bytes; of perf events, of all CPUs together."""
        return self._source.size

    @property
    def fill(self) -> float:
        """How much of the buffer waits to be read, from 0 to 1; of perf events, of the fullest."""
        return self._source.fill

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when records arrive."""
        return self._source.fileno()

    def __iter__(self) -> Iterator[Any]:
        while self._open:
            batch = self._awaited(_PATIENCE)
            if len(batch):
                yield batch

    def _awaited(self, seconds: float) -> Any:
        """Return what comes in some seconds; nothing, if another thread closes the stream then."""
        try:
            return self.read(seconds)
        except (ValueError, OSError):  # of a buffer, of its descriptor
            if self._open:
                raise
            return ()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while self._open:
            batch = self.read()
            if len(batch):
                yield batch
            else:
                await self._arrival()

    async def _arrival(self) -> None:
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        descriptor = self.fileno()  # by this number the loop knows it, also when it is closed then
        # Not for longer than this: the descriptor stays readable while others use the loop.
        loop.add_reader(descriptor, _set, arrived)
        try:
            await asyncio.wait([arrived], timeout=_PATIENCE)
        finally:
            loop.remove_reader(descriptor)

    def close(self) -> None:
        """Stop iterations and unmap the buffer. Idempotent."""
        self._open = False
        with self._using:
            self._source.close()

    def summary(self) -> str:
        """Say in a line what came, what was lost, and how full the buffer is."""
        lost = "" if self.lost is None else f", {self.lost:,} lost"
        taken = f"{self.fill:.0%} of {self.size:,} bytes taken, {self.fullest:.0%} at most"
        return f"{self.received:,} received{lost}, {taken}"

    def __repr__(self) -> str:
        state = self.summary() if self._open else f"{self.received:,} received, closed"
        return f"<{type(self).__name__} {self.name!r} of {self.shape.name()}: {state}>"


def _set(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)
