"""Programs and libraries on disk: found by name, and where in the file a function is.

Source: the System V ABI (symbol tables, program headers); ``ld.so(8)`` for where libraries are.
"""

from __future__ import annotations

import ctypes
import glob
import mmap
import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from struct import Struct
from typing import NamedTuple

from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError, FormatError
from pyebpf.runtime.elf_file import HEADER, SECTION, SHT_SYMTAB, STT_FUNC, SYMBOL

_DYNSYM = 11
_PT_LOAD = 1
#: A function that the dynamic linker chooses among several when the program starts.
_GNU_IFUNC = 10

# type flags | offset vaddr paddr filesz memsz align
_SEGMENT = Struct("<IIQQQQQQ")
_FOLDERS = ("/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")


def find_binary(name: str) -> str:
    """Return the path of a program or library.

    Args:
        name: a path, a program on ``PATH``, or a library without ``lib`` and ``.so``: ``"c"``.

    Raises:
        AttachError: there is none; the message says where it was looked for.
    """
    if "/" in name:
        if os.path.isfile(name):  # noqa: PTH113 - a string is what the kernel takes
            return os.path.realpath(name)
        raise AttachError(f"there is no file {name!r}", target=name)
    for library in _loaded(f"/lib{name}.so"):
        return library
    for folder in _FOLDERS:
        found = sorted(glob.glob(f"{folder}/lib{name}.so*"))  # noqa: PTH207
        if found:
            return os.path.realpath(found[0])
    program = shutil.which(name)
    if program:
        return os.path.realpath(program)
    raise AttachError(
        f"there is no library lib{name}.so in {', '.join(_FOLDERS)}, and no program {name!r} on "
        "PATH: give the path of the file",
        target=name,
    )


def _loaded(part: str) -> list[str]:
    """Return the files that this process has mapped whose path has a part."""
    return sorted({row.path for row in mapped() if part in row.path})


class _Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    path: str


def mapped(process: int | str = "self") -> list[_Mapping]:
    """Return the files that a process has mapped, each piece by itself, by address.

    Raises:
        OSError: there is no such process, or we may not look.
    """
    rows = []
    with open(f"/proc/{process}/maps", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        for line in file:
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith("/"):
                start, _, end = fields[0].partition("-")
                where = int(start, 16), int(end, 16), int(fields[2], 16)
                rows.append(_Mapping(*where, fields[5].rstrip("\n")))
    return rows


def file_offset(path: str, symbol: str, offset: int = 0) -> int:
    """Return where in a file an instruction of a function is, in bytes.

    Args:
        path: a 64-bit ELF file.
        symbol: the function.
        offset: bytes into it.

    Raises:
        AttachError: the file has no function of that name; the message names the nearest.
        FormatError: it is no ELF file.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        if os.fstat(file.fileno()).st_size < HEADER.size:
            raise FormatError(f"{path}: not an ELF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            image = _Image(path, data)
            kind, value = image.find(symbol)
            if kind == _GNU_IFUNC:
                return _chosen(path, symbol) + offset
            return image.place(value) + offset


def offset_of_address(path: str, address: int) -> int:
    """Return where in a file what belongs at an address is, as ``objdump`` shows addresses.

    Raises:
        FormatError: nothing is loaded there, or it is no ELF file.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
        return _Image(path, data).place(address)


def matching_functions(path: str, pattern: str) -> list[tuple[str, int]]:
    """Return the functions of a file whose names match a pattern, and where in it they begin.

    Raises:
        FormatError: it is no ELF file.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
        image = _Image(path, data)
        return [
            (name, image.place(value))
            for name, kind, value in image.functions()
            if kind == STT_FUNC and fnmatchcase(name, pattern)
        ]


def function_names(path: str) -> list[str]:
    """Return the functions of a file, sorted, each once.

    Raises:
        FormatError: it is no ELF file.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        if os.fstat(file.fileno()).st_size < HEADER.size:
            raise FormatError(f"{path}: not an ELF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return sorted({name for name, _, _ in _Image(path, data).functions()})


def _chosen(path: str, symbol: str) -> int:
    """Return where the function is that the dynamic linker chose, in this process too."""
    if path not in _loaded(path):
        raise AttachError(
            f"{symbol!r} of {path!r} stands for one of several functions, chosen when a program "
            "starts: name the one that is meant",
            target=symbol,
        )
    address = ctypes.cast(getattr(ctypes.CDLL(path), symbol), ctypes.c_void_p).value or 0
    row = next(row for row in mapped() if row.start <= address < row.end)
    return address - row.start + row.offset


class _Image:
    """A program or library as the linker left it."""

    def __init__(self, path: str, data: mmap.mmap) -> None:
        self.path, self.data = path, data
        head = HEADER.unpack_from(data)
        if head[0][:4] != b"\x7fELF" or head[0][4] != 2:
            raise FormatError(f"{path}: not a 64-bit ELF file")
        self.segments = (head[5], head[10])
        self.sections = [
            SECTION.unpack_from(data, head[6] + number * SECTION.size) for number in range(head[12])
        ]

    def find(self, name: str) -> tuple[int, int]:
        """Return kind and address of a function."""
        names = set()
        for found, kind, value in self.functions():
            if found == name:
                return kind, value
            names.add(found)
        near = nearest(name, names)
        close = f"; the nearest: {', '.join(near)}" if near else ""
        raise AttachError(f"{self.path!r} has no function {name!r}{close}", target=name)

    def functions(self) -> Iterator[tuple[str, int, int]]:
        """Yield name, kind and address of each function that the file says it has."""
        for section in self.sections:
            if section[1] not in (SHT_SYMTAB, _DYNSYM):
                continue
            strings = self.sections[section[6]][4]
            for row in SYMBOL.iter_unpack(self.data[section[4] : section[4] + section[5]]):
                at, info, _, place, value, _ = row
                if info & 15 in (STT_FUNC, _GNU_IFUNC) and place:
                    end = self.data.find(b"\0", strings + at)
                    name = self.data[strings + at : end].decode("utf-8", "replace")
                    yield name, info & 15, value

    def place(self, address: int) -> int:
        """Return where in the file an address is loaded from."""
        start, count = self.segments
        for number in range(count):
            row = _SEGMENT.unpack_from(self.data, start + number * _SEGMENT.size)
            kind, _, offset, virtual, _, size = row[:6]
            if kind == _PT_LOAD and virtual <= address < virtual + size:
                return int(address - virtual + offset)
        raise FormatError(f"{self.path}: nothing is loaded at {address:#x}")
