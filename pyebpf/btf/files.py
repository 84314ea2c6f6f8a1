"""Files that hold a kernel's types: raw BTF, or an ELF object with a section ``.BTF``.

The kernel's own, ``/sys/kernel/btf/…``, are raw; so are those of BTFHub. A ``vmlinux`` is ELF, and
says in its notes which build it is.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

from pyebpf.errors import FormatError
from pyebpf.plain import Frozen

_BUILD_ID = 3  # NT_GNU_BUILD_ID


class Contents(Frozen):
    """What a file holds: BTF, mapped where the kernel can do that; the build it is of, in hex."""

    data: bytes | mmap.mmap
    build_id: str = ""


def read(path: str) -> Contents:
    """Read a file.

    Raises:
        OSError: it cannot be read.
        FormatError: it is ELF without types, or damaged. What else it may be is the parser's
            business.
    """
    with open(path, "rb", buffering=0) as opened:  # noqa: PTH123 - see pyebpf.cache
        size = os.fstat(opened.fileno()).st_size
        data = _map(opened.fileno(), size) or opened.readall()
    return _of_elf(bytes(data)) if data[:4] == b"\x7fELF" else Contents(data)


def ident(path: str) -> str:
    """Return what changes when a file does.

    Raises:
        OSError: there is no such file.
    """
    info = os.stat(path)  # noqa: PTH116
    return f"file-{info.st_dev}-{info.st_ino}-{info.st_size}-{info.st_mtime_ns}"


def build_id(notes: bytes) -> str:
    """Return the GNU build id among ELF notes, in hex; empty if there is none."""
    for owner, kind, payload in _notes(notes):
        if owner == b"GNU\0" and kind == _BUILD_ID:
            return payload.hex()
    return ""


def _map(fd: int, size: int) -> mmap.mmap | None:
    # Linux can map its own types since v6.16 ("btf: Allow mmap of vmlinux btf").
    try:
        return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner, type and payload of ELF notes."""
    at = 0
    while at + 12 <= len(data):
        owner_size, size, kind = struct.unpack_from("<III", data, at)
        owner = at + 12
        payload = owner + (owner_size + 3 & ~3)
        yield data[owner : owner + owner_size], kind, data[payload : payload + size]
        at = payload + (size + 3 & ~3)


def _of_elf(data: bytes) -> Contents:
    """Return what the sections of a 64-bit little-endian ELF file hold."""
    if data[4:6] != b"\x02\x01":
        raise FormatError("the ELF file is not 64-bit little-endian")
    try:
        sections = dict(_sections(data))
    except (struct.error, IndexError):
        raise FormatError("the ELF file is cut short") from None
    if b".BTF" not in sections:
        raise FormatError(
            "the ELF file has no section `.BTF`; strip nothing, or build it with `-g`"
        )
    notes = (content for name, content in sections.items() if name.startswith(b".note"))
    return Contents(sections[b".BTF"], next(filter(None, map(build_id, notes)), ""))


def _sections(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    rows = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    text = rows[names][4]
    for name, *_, offset, length in rows:
        end = data.find(b"\0", text + name)
        yield data[text + name : end], data[offset : offset + length]
