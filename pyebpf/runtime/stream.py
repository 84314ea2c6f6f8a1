"""A ring buffer of records of one type, as batches of numpy records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from pyebpf.owner import Owner
from pyebpf.runtime.events import RingBuffer
from pyebpf.spec.dtype import decoded, decoded_dtype, numpy_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pyebpf.spec.types import DataType

#: How long an iteration waits before it looks whether the stream was closed. Seconds.
_PATIENCE = 0.25


class EventStream(Owner):
    """The records that probes send, in order.

    Iterating waits for records and yields batches until the session is closed.

    Attributes:
        dtype: of one record.
    """

    def __init__(self, fd: int, max_entries: int, record: DataType, name: str) -> None:
        self.dtype: np.dtype[Any] = decoded_dtype(record)
        self._record = record
        self._ring = RingBuffer(fd, max_entries, name)
        self._open = True

    def read(self, timeout_s: float | None = 0.0) -> NDArray[Any]:
        """Return what has arrived, waiting for the first record if there is none.

        Args:
            timeout_s: how long to wait at most; 0 does not wait, None waits for ever.

        Shape:  ``(n,)``, n ≥ 0, a copy.
        """
        there = numpy_dtype(self._record)
        batch = self._ring.read_batch(there)
        if len(batch) == 0 and timeout_s != 0 and self._ring.wait(timeout_s):
            batch = self._ring.read_batch(there)
        return decoded(self._record, batch)

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer waits to be read, in bytes."""
        return self._ring.pending_bytes

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when records arrive."""
        return self._ring.fileno()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        while self._open:
            batch = self.read(_PATIENCE)
            if len(batch):
                yield batch

    async def __aiter__(self) -> AsyncIterator[NDArray[Any]]:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        loop.add_reader(self.fileno(), arrived.set)
        try:
            while self._open:
                batch = self.read()
                if len(batch):
                    yield batch
                    continue
                arrived.clear()
                await asyncio.wait([asyncio.ensure_future(arrived.wait())], timeout=_PATIENCE)
        finally:
            loop.remove_reader(self.fileno())

    def close(self) -> None:
        """Stop iterations and unmap the buffer. Idempotent."""
        self._open = False
        self._ring.close()
