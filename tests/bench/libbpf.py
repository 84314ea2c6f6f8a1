"""libbpf's ring buffer through ctypes, with C or Python taking the records."""

from __future__ import annotations

import ctypes
import mmap
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_MAP_32BIT = 0x40


def library() -> ctypes.CDLL | None:
    try:
        lib = ctypes.CDLL("libbpf.so.1")
    except OSError:
        return None
    lib.ring_buffer__new.restype = ctypes.c_void_p
    lib.ring_buffer__new.argtypes = (ctypes.c_int, *[ctypes.c_void_p] * 3)
    for name in ("ring_buffer__consume", "ring_buffer__free"):
        getattr(lib, name).argtypes = (ctypes.c_void_p,)
    return lib


@contextmanager
def ring(lib: ctypes.CDLL, fd: int, callback: Any, context: int = 0) -> Iterator[int]:
    """Open a ring buffer whose records go to ``callback(context, record, size)``."""
    made = lib.ring_buffer__new(fd, ctypes.cast(callback, ctypes.c_void_p), context, None)
    assert made, "libbpf refuses the ring buffer"
    try:
        yield made
    finally:
        lib.ring_buffer__free(made)


@contextmanager
def low_memory() -> Iterator[int]:
    """Give a page whose address is a positive ``int``.

    With it ``memcpy(page, record, size)`` is a callback in C that copies each record, and whose
    result libbpf takes for "go on".
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    with mmap.mmap(-1, mmap.PAGESIZE, flags=flags | _MAP_32BIT) as page:
        held = ctypes.c_char.from_buffer(page)
        yield ctypes.addressof(held)
        del held


def has_low_memory() -> bool:
    return platform.machine() == "x86_64"
