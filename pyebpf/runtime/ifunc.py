"""Functions that are chosen when a program starts: which one is it?

A symbol of the type ``STT_GNU_IFUNC``, as ``strlen`` of the C library, is a function that is called
once, by the dynamic linker, and says which of several functions the name stands for on this
processor. A probe on it would run at most once; meant is what it chose.

Source: the GNU extension of the System V ABI for indirect functions; ``elf(5)``.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Any

from pyebpf.errors import AttachError, FormatError
from pyebpf.runtime.image import Image, open_image
from pyebpf.runtime.mappings import Mapping, mapped_files, mappings

if TYPE_CHECKING:
    from pyebpf.runtime.image import Function

_SHT_RELA = 4
#: ``R_X86_64_IRELATIVE``, ``R_AARCH64_IRELATIVE``: a word that gets what a resolver chose.
_IRELATIVE = (37, 1032)
#: ``GLOB_DAT`` and ``JUMP_SLOT`` of both: a word that gets the address of a symbol.
_OF_SYMBOL = (6, 7, 1025, 1026)

# offset | info | addend
_RELA = Struct("<QQq")


def chosen_place(image: Image, function: Function, pid: int) -> int:
    """Return where in the file the function is that a name stands for.

    Where this process has the library too, its linker is asked: processors do not differ between
    processes. Of another file it stands in the memory of a process that runs it.

    Raises:
        AttachError: neither is so; the message says what to do.
    """
    own = _rows_of(image.path, _mapped("self"))
    if any(row.is_code for row in own):  # not only read by us, as now
        return _place(_asked(own[0].path, function), own, function)
    place = _in_process(image, function, pid) if pid else None
    if place is not None:
        return place
    begin = f"{function.name}_"
    others = sorted({f.name for f in image.functions() if f.name.lstrip("_").startswith(begin)})
    named = f", or name one of {', '.join(others)}" if others else ", or name the one that is meant"
    raise AttachError(
        f"{function.name!r} of {image.path!r} stands for one of several functions, which is chosen "
        f"when a program starts (IFUNC): give the pid= of one that uses it{named}",
        target=function.name,
    )


def _mapped(pid: int | str) -> list[Mapping]:
    """Return the files that a process has; none if it may not be looked at."""
    try:
        return mapped_files(pid)
    except OSError:
        return []


def _rows_of(path: str, rows: list[Mapping]) -> list[Mapping]:
    with suppress(OSError):
        inode, name = os.stat(path).st_ino, path.rpartition("/")[2]  # noqa: PTH116 - quick to import
        same = [row for row in rows if row.inode == inode]
        # The files of a process, `/proc/1/map_files/…`, have other names.
        return [row for row in same if path.startswith("/proc/") or row.path.endswith(name)]
    return []


def _asked(path: str, function: Function) -> int:
    library = ctypes.CDLL(path)
    found: Any = None
    if function.is_old:
        look = ctypes.CDLL(None).dlvsym
        look.restype, look.argtypes = ctypes.c_void_p, [ctypes.c_void_p, *[ctypes.c_char_p] * 2]
        found = look(library._handle, function.name.encode(), function.version.encode())  # noqa: SLF001
    else:
        found = ctypes.cast(getattr(library, function.name), ctypes.c_void_p).value
    return int(found or 0)


def _in_process(image: Image, function: Function, pid: int) -> int | None:
    """Look for what was chosen in the words where a process keeps the addresses of functions."""
    rows = _mapped(pid)
    own = _rows_of(image.path, rows)
    for path in dict.fromkeys(row.path for row in rows):
        theirs = [row for row in rows if row.path == path]
        is_own = theirs[0] in own
        with suppress(OSError, FormatError), open_image(f"/proc/{pid}/root{path}") as user:
            for slot in _slots(user, function, is_own=is_own):
                address = _word(pid, theirs, user, slot)
                if address and any(row.start <= address < row.end for row in own):
                    return _place(address, own, function)
    return None


def _slots(user: Image, function: Function, *, is_own: bool) -> Iterator[int]:
    """Yield the addresses of the words that get the address of a function."""
    for section in user.sections:
        if section.kind != _SHT_RELA:
            continue
        end = section.offset + section.size - section.size % _RELA.size
        name = user.symbol_names(section.link)
        for offset, info, addend in _RELA.iter_unpack(user.data[section.offset : end]):
            kind, symbol = info & 0xFFFFFFFF, info >> 32
            chosen = is_own and kind in _IRELATIVE and addend == function.address
            if chosen or (kind in _OF_SYMBOL and name(symbol) == function.name):
                yield offset


def _word(pid: int, rows: list[Mapping], user: Image, slot: int) -> int | None:
    """Return a word of a process's memory that the linker put at ``slot``."""
    for row in rows:
        linked = user.address(row.offset)
        if linked is not None:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
                memory.seek(row.start - linked + slot)
                return int.from_bytes(memory.read(8), "little")
    return None


def _place(address: int, rows: list[Mapping], function: Function) -> int:
    for row in rows:
        if row.start <= address < row.end:
            return address - row.start + row.offset
    where = next((row.path for row in mappings() if row.start <= address < row.end), "nowhere")
    kernel = ", where the kernel takes no probe" if where == "[vdso]" else ""
    raise AttachError(
        f"{function.name!r} stands for a function of {where}{kernel}: chosen when a program starts",
        target=function.name,
    )
