"""Loop devices of one's own: disks to try something on, gone with the process that made them.

The disk is memory, and the kernel takes the device down when its last descriptor is closed. So
nothing is left behind, not even by a process that was killed.

Source:  ``include/uapi/linux/loop.h``; "Locking Block Device Access" of the systemd project.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
from typing import TYPE_CHECKING

from pyebpf.errors import KernelError
from pyebpf.host.disks import kernel_dev
from pyebpf.owner import Owner

if TYPE_CHECKING:
    pass

CONTROL = "/dev/loop-control"
LOOP_CTL_GET_FREE = 0x4C82
LOOP_CONFIGURE = 0x4C0A
LO_FLAGS_AUTOCLEAR = 4

#: ``struct loop_config``: descriptor, block size, ``struct loop_info64`` with its flags inside,
#: reserved.
_CONFIG = struct.Struct("=II 40x 12xI 176x 64x")
_ATTEMPTS = 16
_NEEDS = "making a loop device needs CAP_SYS_ADMIN, usually root"


class LoopDevice(Owner):
    """A disk in memory.

    Attributes:
        path: ``"/dev/loop0"``.
        name: ``"loop0"``.
        size_bytes: how much it holds.

    Raises:
        KernelError: there is no free loop device, or no right to make one.
    Since:   Linux 5.8 (``LOOP_CONFIGURE``).
    """

    def __init__(self, size_bytes: int = 16 << 20) -> None:
        self.size_bytes = size_bytes
        backing = os.memfd_create("pyebpf-loop", os.MFD_CLOEXEC)
        try:
            os.ftruncate(backing, size_bytes)
            self.path, self._fd = _configured(backing)
        except OSError as err:
            raise _explained(err) from None
        finally:
            os.close(backing)  # the device holds it
        self.name = self.path.rpartition("/")[2]

    @property
    def dev(self) -> int:
        """The kernel's number of the disk, as in ``pyebpf.host.disks``."""
        return kernel_dev(os.fstat(self._fd).st_rdev)

    def read(self, count: int, size_bytes: int = 4096) -> None:
        """Make the disk serve ``count`` reads of ``size_bytes``: direct, one request each."""
        with mmap.mmap(-1, size_bytes) as buffer:  # aligned to pages, as direct I/O wants it
            for number in range(count):
                if os.preadv(self._fd, [buffer], self._place(number, size_bytes)) != size_bytes:
                    raise KernelError(errno.EIO, f"{self.path} gave less than it was asked for")

    def write(self, count: int, size_bytes: int = 4096) -> None:
        """Make the disk serve ``count`` writes of ``size_bytes``: direct, one request each."""
        with mmap.mmap(-1, size_bytes) as buffer:
            for number in range(count):
                if os.pwritev(self._fd, [buffer], self._place(number, size_bytes)) != size_bytes:
                    raise KernelError(errno.EIO, f"{self.path} took less than it was given")

    def _place(self, number: int, size_bytes: int) -> int:
        return number * size_bytes % (self.size_bytes - self.size_bytes % size_bytes)

    def close(self) -> None:
        """Take the device down. Closing again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _configured(backing: int) -> tuple[str, int]:
    """Put a file behind a free device, and return the device's path and a descriptor of it."""
    control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_ATTEMPTS):
            path = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
            try:
                # udev looks into new disks, unless somebody holds this lock: its reads would be
                # counted with those of a test.
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.ioctl(fd, LOOP_CONFIGURE, _CONFIG.pack(backing, 0, LO_FLAGS_AUTOCLEAR))
            except OSError as err:
                os.close(fd)
                if err.errno not in (errno.EBUSY, errno.EWOULDBLOCK):
                    raise
                continue  # somebody else took it in the meantime
            return path, fd
        raise OSError(errno.EBUSY, "other programs take each free loop device first")
    finally:
        os.close(control)


def _explained(err: OSError) -> KernelError:
    number = err.errno or errno.EIO
    what = f"cannot make a loop device: {err.strerror}"
    if number in (errno.EACCES, errno.EPERM):
        return KernelError(number, f"{what}; {_NEEDS}", capability="CAP_SYS_ADMIN")
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        what = (
            f"{what} ({err.filename or CONTROL}): this kernel has no loop driver, or /dev lacks it"
        )
    return KernelError(number, what)
