"""The kernel's ring buffer, mapped.

Source: ``kernel/bpf/ringbuf.c``, ``include/uapi/linux/bpf.h``.
"""

from __future__ import annotations

import errno
import mmap
import os
import select

from pyebpf.errors import KernelError
from pyebpf.owner import Owner
from pyebpf.runtime.ring import RingMemory


class RingBuffer(RingMemory, Owner):
    """An open ``BPF_MAP_TYPE_RINGBUF``. It owns its descriptor. One thread reads at a time.

    Since:  Linux 5.8 (feature ``map.ringbuf``).
    """

    def __init__(self, fd: int, max_entries: int, name: str = "events") -> None:
        self.fd = fd
        self.name = name
        page = mmap.PAGESIZE
        self._consumer_page = self._map(page, mmap.PROT_READ | mmap.PROT_WRITE, 0)
        self._kernel_pages = self._map(page + 2 * max_entries, mmap.PROT_READ, page)
        super().__init__(
            memoryview(self._consumer_page).cast("Q"),
            memoryview(self._kernel_pages)[:8].cast("Q"),
            memoryview(self._kernel_pages)[page:],
            name,
        )
        self._epoll = select.epoll()
        self._epoll.register(fd, select.EPOLLIN)

    def _map(self, length: int, protection: int, offset: int) -> mmap.mmap:
        try:
            return mmap.mmap(self.fd, length, mmap.MAP_SHARED, protection, offset=offset)
        except OSError as err:
            message = f"ring buffer {self.name!r}: cannot map {length} bytes: {err.strerror}"
            raise KernelError(err.errno or errno.EINVAL, message) from err

    def fileno(self) -> int:
        """Return the descriptor, which polls as readable while there are records."""
        return self.fd

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until there is something to read; False when the time is over first.

        Args:
            timeout_s: how long; None waits for ever, 0 only looks.
        """
        self._check_open()
        return bool(self._epoll.poll(timeout_s, 1))

    def _check_open(self) -> None:
        if self.fd < 0:
            raise ValueError(
                f"ring buffer {self.name!r} is closed: read it before its session ends"
            )

    def close(self) -> None:
        """Unmap the pages and close the descriptor. Closing again does nothing."""
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        self._epoll.close()
        for view in (self._consumer, self._producer, self._data):
            view.release()
        self._consumer_page.close()
        self._kernel_pages.close()
        os.close(fd)

    def __repr__(self) -> str:
        state = f"{self.pending_bytes} of {self.size} bytes taken" if self.fd >= 0 else "closed"
        return f"<RingBuffer {self.name!r} {state}>"
