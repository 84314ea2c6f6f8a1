"""LLVM's library in memory: of its 180 MB a process keeps what it needs.

With each page of a file that is touched the kernel maps the fifteen around it. Linking the library
and making all of LLVM's machines known touch pages all over it, most of them once. They are the
kernel's copy of the file: to unmap them loses nothing, and what is touched again is mapped again.

Source:  madvise(2); ``Documentation/admin-guide/mm/pagemap.rst``.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from contextlib import suppress

#: The wheel's library has LLVM inside; distributions have it beside theirs.
_LIBRARIES = (b"libllvmlite", b"libLLVM")
#: ``/proc/self/pagemap`` has a word for each page; the highest byte says what kind it is.
_WORD_BYTES = 8
_PRESENT, _SWAPPED, _OF_FILE = 0x80, 0x40, 0x20
#: The kinds that nothing is lost with: a file has the page, or it is not there at all.
_SPARE = bytes(kind for kind in range(256) if kind & _OF_FILE or not kind & (_PRESENT | _SWAPPED))


def give_back() -> None:
    """Unmap the pages of LLVM's library; where the kernel does not let us, all stays as it is.

    Cost:   two milliseconds, and a page fault for every 64 KiB that are needed again.
    """
    with suppress(OSError, AttributeError):
        madvise = ctypes.CDLL(None).madvise
        for start, size in _mappings():
            if _is_all_of_file(start, size):
                madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), mmap.MADV_DONTNEED)


def _mappings() -> list[tuple[int, int]]:
    """Return where the library is mapped that nobody writes to, and how many bytes."""
    found = []
    with open("/proc/self/maps", "rb") as file:  # noqa: PTH123 - quick to import
        for line in file:
            if line.rpartition(b"/")[2].startswith(_LIBRARIES):
                span, rights, _ = line.split(b" ", 2)
                start, end = (int(number, 16) for number in span.split(b"-"))
                if b"w" not in rights:
                    found.append((start, end - start))
    return found


def _is_all_of_file(start: int, size: int) -> bool:
    """Tell whether no page is this process's own: what the linker relocated, a breakpoint in code.

    Unmapped, those would be lost.
    """
    at, length = (number // mmap.PAGESIZE * _WORD_BYTES for number in (start, size))
    with open("/proc/self/pagemap", "rb", buffering=0) as file:  # noqa: PTH123 - quick to import
        words = os.pread(file.fileno(), length, at)
    last = 0 if sys.byteorder == "big" else _WORD_BYTES - 1
    return len(words) == length and not words[last::_WORD_BYTES].translate(None, _SPARE)
