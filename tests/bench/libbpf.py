"""libbpf's ring buffer through ctypes, with Python taking the records."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


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
