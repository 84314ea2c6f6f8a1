"""The system calls themselves, through the C library's ``syscall()``. No errors are explained here.

Each function returns the kernel's result, or ``-errno``: what a failure means depends on what was
tried, so :mod:`pyebpf.runtime.syscall` decides.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from pyebpf.abi.attr import SyscallNumbers

_libc = ctypes.CDLL(None, use_errno=True)
_bpf = _libc["syscall"]
_bpf.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_long]
_bpf.restype = ctypes.c_long
# A second function object of the same symbol: five plain words instead of a pointer in the middle.
_words = _libc["syscall"]
_words.argtypes = [ctypes.c_long] + [ctypes.c_long] * 5
_words.restype = ctypes.c_long
_ioctl = _libc["ioctl"]
_ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
_ioctl.restype = ctypes.c_int

_statfs = _libc["statfs"]
_statfs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
_statfs.restype = ctypes.c_int

NUMBERS = SyscallNumbers()


def bpf(cmd: int, attr: Any, size: int = 0) -> int:
    """Call ``bpf(2)``; return its result or ``-errno``.

    Args:
        cmd: ``BPF_*`` of ``enum bpf_cmd``.
        attr: the attribute: ``bytes`` when the kernel only reads it, otherwise a ``bytearray`` or a
            ctypes object, which the kernel may write to.
        size: its size in bytes; found out when 0.

    Cost: one system call and about a microsecond of Python.
    """
    if type(attr) is bytearray:
        size = size or len(attr)
        attr = (ctypes.c_char * len(attr)).from_buffer(attr)
    elif type(attr) is bytes:
        size = size or len(attr)
    else:
        size = size or ctypes.sizeof(attr)
        attr = ctypes.addressof(attr)
    result: int = _bpf(NUMBERS.bpf, cmd, attr, size)
    return result if result >= 0 else -ctypes.get_errno()


def words(number: int, *arguments: int) -> int:
    """Call the system call ``number`` with plain words; return its result or ``-errno``."""
    result: int = _words(number, *arguments, *(0,) * (5 - len(arguments)))
    return result if result >= 0 else -ctypes.get_errno()


def ioctl(fd: int, request: int, argument: int = 0) -> int:
    """Call ``ioctl(2)``; return its result or ``-errno``."""
    result: int = _ioctl(fd, request, argument)
    return result if result >= 0 else -ctypes.get_errno()


def file_system(path: str) -> int:
    """Return the number of the kind of file system that ``path`` is on, or ``-errno``.

    Source: ``include/uapi/linux/magic.h``.
    """
    memory = ctypes.create_string_buffer(256)  # struct statfs and room for what may be added
    if _statfs(os.fsencode(path), memory):
        return -ctypes.get_errno()
    # f_type is a word of the machine, but on s390x, where it has four bytes.
    word = ctypes.c_uint32 if os.uname().machine == "s390x" else ctypes.c_ulong
    return int(word.from_buffer(memory).value)


def buffer(size: int) -> tuple[Any, int]:
    """Return zeroed memory of ``size`` bytes that the kernel may write to, and its address."""
    memory = ctypes.create_string_buffer(max(size, 1))
    return memory, ctypes.addressof(memory)


def address_of(data: bytes) -> int:
    """Return where the contents of ``data`` are; valid while the caller keeps ``data``."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def object_name(name: str) -> bytes:
    """Return ``name`` as the kernel takes it: 15 bytes of letters, digits, ``_`` and ``.``."""
    return bytes(
        ord(char) if char.isascii() and (char.isalnum() or char in "_.") else ord("_")
        for char in name[:15]
    )
