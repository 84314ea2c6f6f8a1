"""A consumer in C: compiled with gcc, linked with libbpf, called through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("ring_consumer.c")


class _Array(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("used", ctypes.c_size_t),
        ("records", ctypes.c_uint64),
    )


class Consumer:
    """A ring buffer that C reads.

    Attributes:
        stop: what ends :meth:`run`, once it is 1.
    """

    def __init__(self, lib: ctypes.CDLL, fd: int, room: int) -> None:
        self._lib = lib
        self._memory = ctypes.create_string_buffer(room)
        self._out = _Array(ctypes.addressof(self._memory), room, 0, 0)
        self.stop = ctypes.c_int(0)
        self._ring = lib.consumer_open(fd, ctypes.byref(self._out))
        assert self._ring, "libbpf refuses the ring buffer"

    @property
    def records(self) -> int:
        return int(self._out.records)

    def take(self) -> int:
        """Take what there is; return how many records."""
        return int(self._lib.consumer_take(self._ring))

    def run(self) -> None:
        """Take records until :attr:`stop` is set; Python's other threads run meanwhile."""
        self._lib.consumer_run(self._ring, ctypes.byref(self.stop))

    def close(self) -> None:
        self._lib.consumer_close(self._ring)


def compiled(folder: Path) -> ctypes.CDLL | None:
    """Compile the consumer; None where gcc or libbpf are missing."""
    gcc = shutil.which("gcc")
    if gcc is None:
        return None
    made = folder / "ring_consumer.so"
    words = [gcc, "-O2", "-shared", "-fPIC", SOURCE, "-o", made, "-l:libbpf.so.1"]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        return None
    lib = ctypes.CDLL(str(made))
    lib.consumer_open.restype = ctypes.c_void_p
    lib.consumer_open.argtypes = (ctypes.c_int, ctypes.c_void_p)
    lib.consumer_run.restype = None
    lib.consumer_run.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    for name in ("consumer_take", "consumer_close"):
        getattr(lib, name).argtypes = (ctypes.c_void_p,)
    return lib


@contextmanager
def consumer(lib: ctypes.CDLL, fd: int, room: int) -> Iterator[Consumer]:
    made = Consumer(lib, fd, room)
    try:
        yield made
    finally:
        made.close()
