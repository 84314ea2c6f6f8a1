"""The types of the running kernel. The only file of this package that opens files.

``$PYEBPF_BTF`` names a file to use instead of ``/sys/kernel/btf/vmlinux``, raw BTF or an ELF
object, for kernels that were built without BTF (BTFHub has many).
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyebpf import cache
from pyebpf.errors import FormatError, NotSupportedError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.btf import parse
    from pyebpf.btf.parse import Btf
else:
    parse = lazy("pyebpf.btf.parse")

DIRECTORY = "/sys/kernel/btf"
NOTES = "/sys/kernel/notes"

_BUILD_ID = 3  # NT_GNU_BUILD_ID
_loaded: dict[str, Btf] = {}


class _CacheStore:
    """The indexes of one BTF blob, in the user's cache."""

    def __init__(self, ident: str) -> None:
        self._prefix = f"btf-{ident}-"

    def read(self, name: str) -> bytes | None:
        return cache.read(self._prefix + name)

    def write(self, name: str, data: bytes) -> None:
        cache.write(self._prefix + name, data)


def kernel_btf() -> Btf:
    """Return the types of the running kernel; the same object each time.

    Raises:
        NotSupportedError: the kernel has no BTF and ``$PYEBPF_BTF`` does not name a file with it.
        FormatError: the file is damaged.
    Cost:    40 ms, 1 ms when it is in the cache. The file is mapped, not copied, where the kernel
             can do that.
    Since:   Linux 5.4, with ``CONFIG_DEBUG_INFO_BTF``; mapping since 6.16.
    """
    own = os.environ.get("PYEBPF_BTF")
    if own:
        return _load_once(own, _file_ident(own))
    return _load_once(f"{DIRECTORY}/vmlinux", kernel_ident())


def module_btf(name: str) -> Btf:
    """Return the types of a loaded module, on top of the kernel's.

    Raises:
        NotSupportedError: there is no such module, or it has no BTF.
    Since:   Linux 5.11, with ``CONFIG_DEBUG_INFO_BTF_MODULES``.
    """
    file = f"{DIRECTORY}/{name}"
    if name not in module_names():
        msg = f"the kernel has no types of a module called {name!r} (there is no {file})"
        raise NotSupportedError(msg, feature="module_btf", since="5.11")
    return parse.Btf.parse(_read(file), _load_once(f"{DIRECTORY}/vmlinux", kernel_ident()))


def module_names() -> list[str]:
    """Return the modules whose types the kernel offers, sorted."""
    try:
        return sorted(name for name in os.listdir(DIRECTORY) if name != "vmlinux")  # noqa: PTH208
    except FileNotFoundError:
        return []


def kernel_ident() -> str:
    """Return what tells this kernel's build from others: its GNU build id, in hex.

    A kernel that was linked without one is told by the text of ``uname``, which has the time of its
    build.
    """
    try:
        with open(NOTES, "rb", buffering=0) as file:  # noqa: PTH123 - see pyebpf.cache
            notes = file.readall()
    except OSError:
        notes = b""
    for owner, kind, payload in _notes(notes):
        if owner == b"GNU\0" and kind == _BUILD_ID:
            return payload.hex()
    system = os.uname()
    return f"{system.release}-{system.version}".replace("/", "_").replace(" ", "_")


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield owner, type and payload of ELF notes."""
    at = 0
    while at + 12 <= len(data):
        owner_size, size, kind = struct.unpack_from("<III", data, at)
        owner = at + 12
        payload = owner + (owner_size + 3 & ~3)
        yield data[owner : owner + owner_size], kind, data[payload : payload + size]
        at = payload + (size + 3 & ~3)


def _load_once(file: str, ident: str) -> Btf:
    key = f"{file}\0{ident}"
    if key not in _loaded:
        _loaded[key] = parse.Btf.parse(_read(file), store=_CacheStore(ident))
    return _loaded[key]


def _read(file: str) -> bytes | mmap.mmap:
    try:
        with open(file, "rb", buffering=0) as opened:  # noqa: PTH123
            size = os.fstat(opened.fileno()).st_size
            data = _map(opened.fileno(), size) or opened.readall()
    except OSError as error:
        raise _no_btf(file, error) from None
    return _elf_section(bytes(data)) if data[:4] == b"\x7fELF" else data


def _map(fd: int, size: int) -> mmap.mmap | None:
    # Linux can map this file since v6.16 ("btf: Allow mmap of vmlinux btf").
    try:
        return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None


def _file_ident(file: str) -> str:
    try:
        info = os.stat(file)  # noqa: PTH116
    except OSError as error:
        raise _no_btf(file, error) from None
    return f"file-{info.st_dev}-{info.st_ino}-{info.st_size}-{info.st_mtime_ns}"


def _no_btf(file: str, error: OSError) -> NotSupportedError:
    if file == os.environ.get("PYEBPF_BTF"):
        what = f"$PYEBPF_BTF names {file}, which cannot be read: {error.strerror}"
    else:
        what = (
            f"the kernel's types cannot be read from {file}: {error.strerror}. Linux has them "
            "since 5.4, when it is built with CONFIG_DEBUG_INFO_BTF. For others, let $PYEBPF_BTF "
            "name a file with the BTF of this kernel; BTFHub has those of many distributions"
        )
    return NotSupportedError(what, feature="kernel_btf", since="5.4")


def _elf_section(data: bytes) -> bytes:
    """Return the section ``.BTF`` of a 64-bit little-endian ELF file."""
    try:
        if data[4:6] != b"\x02\x01":
            raise FormatError("the ELF file is not 64-bit little-endian")
        (table,) = struct.unpack_from("<Q", data, 40)
        size, count, names = struct.unpack_from("<HHH", data, 58)
        sections = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
        text = sections[names][4]
        for name, *_, offset, length in sections:
            if data[text + name :].startswith(b".BTF\0"):
                return data[offset : offset + length]
    except (struct.error, IndexError):
        raise FormatError("the ELF file is cut short") from None
    raise FormatError("the ELF file has no section `.BTF`; strip nothing, or build it with `-g`")
