"""A ring buffer that user space writes to.

The kernel's position is on a page that can only be read; ours, and the data behind it, on pages
that are mapped for writing, the data twice in a row. A record has a header of 8 bytes, whose first
word is its length.

Order of memory accesses: the kernel's position before what is written to the room that it gives,
and a record before our position, which the kernel reads by ``smp_load_acquire``.

Source:  ``kernel/bpf/ringbuf.c`` (``__bpf_user_ringbuf_peek``).
"""

from __future__ import annotations

import errno
import mmap
import platform

from pyebpf.abi import constants as c
from pyebpf.errors import KernelError, MapFullError
from pyebpf.runtime.maps.base import MapHandle
from pyebpf.runtime.maps.layout import Half, round_up
from pyebpf.runtime.ring import fence_of
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import DataType


class UserRing(MapHandle):
    """An open ``BPF_MAP_TYPE_USER_RINGBUF``. One thread writes at a time.

    Since:  Linux 6.1.
    """

    def __init__(self, fd: int, spec: MapSpec, record: DataType) -> None:
        super().__init__(fd, spec)
        self.size = spec.max_entries
        self._record = Half(record, record.size, f"record of {spec.name!r}")
        page = mmap.PAGESIZE
        self._kernels = self._map(page, mmap.PROT_READ, 0)
        self._ours = self._map(page + 2 * self.size, mmap.PROT_READ | mmap.PROT_WRITE, page)
        self._consumer = memoryview(self._kernels).cast("Q")
        self._producer = memoryview(self._ours)[:8].cast("Q")
        self._data = memoryview(self._ours)[page:]
        self._fence = fence_of(platform.machine())

    def _map(self, length: int, protection: int, offset: int) -> mmap.mmap:
        try:
            return mmap.mmap(self.fd, length, mmap.MAP_SHARED, protection, offset=offset)
        except OSError as err:
            message = f"map {self.name!r}: cannot map {length} bytes: {err.strerror}"
            raise KernelError(err.errno or errno.EINVAL, message) from err

    @property
    def pending_bytes(self) -> int:
        """How much of the buffer waits for a program to take it out."""
        self.open_fd()
        return self._producer[0] - self._consumer[0]

    def push(self, record: object) -> None:
        """Send a record: a dict, a tuple of its fields, or a number.

        Raises:
            MapFullError: there is no room until a program takes something out.
            TypeError, ValueError: the record does not fit its type.
        """
        data = self._record.pack(record)
        stride = round_up(len(data) + c.BPF_RINGBUF_HDR_SZ)
        if self.pending_bytes + stride > self.size:
            waiting = f"{self.pending_bytes} of {self.size} bytes wait for a program"
            raise MapFullError(errno.ENOSPC, f"map {self.name!r} is full: {waiting}")
        self._fence()  # what has been taken out is not read any more
        start = self._producer[0] & (self.size - 1)
        header = len(data).to_bytes(4, "little") + bytes(4)
        self._data[start : start + len(header) + len(data)] = header + data
        # The kernel looks at nothing behind this position, so the record is whole when it is seen.
        self._fence()
        self._producer[0] += stride

    def close(self) -> None:
        """Unmap the pages and close the descriptor. Idempotent."""
        if self.fd >= 0:
            for view in (self._consumer, self._producer, self._data):
                view.release()
            self._kernels.close()
            self._ours.close()
        super().close()
