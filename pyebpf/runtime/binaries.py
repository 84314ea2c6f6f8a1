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
from contextlib import contextmanager
from fnmatch import fnmatchcase
from struct import Struct
from struct import error as StructError  # noqa: N812 - a class
from typing import NamedTuple

from pyebpf.btf.near import nearest
from pyebpf.errors import AttachError, FormatError
from pyebpf.runtime.elf_file import HEADER, SECTION, SHN_UNDEF, SHT_SYMTAB, STT_FUNC, SYMBOL

_DYNSYM = 11
_NOTE = 7
_PT_LOAD = 1
#: A function that the dynamic linker chooses among several when the program starts.
_GNU_IFUNC = 10

# type flags | offset vaddr paddr filesz memsz align
_SEGMENT = Struct("<IIQQQQQQ")
#: ``e_machine``, and how ``uname -m`` calls it.
_MACHINES = {62: "x86_64", 183: "aarch64"}
_FOLDERS = ("/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")


def find_binary(name: str) -> str:
    """Return the path of a program or library.

    Args:
        name: a path, a program on ``PATH``, or a library, ``"c"``, ``"libc"`` or ``"libc.so.6"``.

    Raises:
        AttachError: there is none; the message says where it was looked for.
    """
    if "/" in name:
        if os.path.isfile(name):  # noqa: PTH113 - a string is what the kernel takes
            # /proc/PID/exe and /proc/PID/root may lead to files that have no other path here.
            return name if name.startswith("/proc/") else os.path.realpath(name)
        raise AttachError(f"there is no file {name!r}", target=name)
    stem = name if ".so" in name else f"lib{name.removeprefix('lib')}.so"
    for library in _loaded(f"/{stem}"):
        return library
    for folder in _FOLDERS:
        found = sorted(glob.glob(f"{folder}/{stem}*"))  # noqa: PTH207
        if found:
            return os.path.realpath(found[0])
    program = shutil.which(name)
    if program:
        return os.path.realpath(program)
    raise AttachError(
        f"there is no library {stem} in {', '.join(_FOLDERS)}, and no program {name!r} on "
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
    with open_image(path) as image:
        kind, value = image.find(symbol)
        if kind == _GNU_IFUNC:
            return _chosen(path, symbol) + offset
        return image.place(value) + offset


def offset_of_address(path: str, address: int) -> int:
    """Return where in a file what belongs at an address is, as ``objdump`` shows addresses.

    Raises:
        FormatError: nothing is loaded there, or it is no ELF file.
    """
    with open_image(path) as image:
        return image.place(address)


def matching_functions(path: str, pattern: str) -> list[tuple[str, int]]:
    """Return the functions of a file whose names match a pattern, and where in it they begin.

    Raises:
        FormatError: it is no ELF file.
    """
    with open_image(path) as image:
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
    with open_image(path) as image:
        return sorted({name for name, _, _ in image.functions()})


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


@contextmanager
def open_image(path: str) -> Iterator[Image]:
    """Open a 64-bit ELF file for as long as the block lasts.

    Raises:
        FormatError: it is none, or a table of it lies outside the file.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        if os.fstat(file.fileno()).st_size < HEADER.size:
            raise FormatError(f"{path}: not an ELF file")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                yield Image(path, data)
            except (StructError, IndexError):
                raise FormatError(f"{path}: a table lies outside the file") from None


class Image:
    """A program or library as the linker left it.

    Attributes:
        path: the file.
        machine: what it is for, as ``uname -m`` says it; a number as text if that is not known.
    """

    def __init__(self, path: str, data: mmap.mmap) -> None:
        self.path, self.data = path, data
        head = HEADER.unpack_from(data)
        if head[0][:4] != b"\x7fELF" or head[0][4] != 2:
            raise FormatError(f"{path}: not a 64-bit ELF file")
        self.machine = _MACHINES.get(head[2], str(head[2]))
        self._names = head[13]
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
        for strings, (at, info, _, place, value, _) in self._symbols():
            if info & 15 in (STT_FUNC, _GNU_IFUNC) and place != SHN_UNDEF:
                end = self.data.find(b"\0", strings + at)
                name = self.data[strings + at : end].decode("utf-8", "replace")
                yield name, info & 15, value

    def symbol_address(self, name: str) -> int | None:
        """Return the address of a symbol of any kind; None if the file has no such symbol."""
        word = name.encode("utf-8", "surrogateescape") + b"\0"
        for strings, row in self._symbols():
            at = strings + row[0]
            if row[3] != SHN_UNDEF and self.data[at : at + len(word)] == word:
                return int(row[4])
        return None

    def section_address(self, name: str) -> int | None:
        """Return where a section is loaded; None if the file has no such section."""
        if not self._names < len(self.sections):
            return None
        strings, word = self.sections[self._names][4], name.encode() + b"\0"
        for row in self.sections:
            at = strings + row[0]
            if self.data[at : at + len(word)] == word:
                return int(row[3])
        return None

    def notes(self) -> Iterator[bytes]:
        """Yield the contents of each section of notes."""
        for row in self.sections:
            if row[1] == _NOTE:
                yield self.data[row[4] : row[4] + row[5]]

    def _symbols(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield each symbol, with the place of the strings that its name is in."""
        for section in self.sections:
            if section[1] in (SHT_SYMTAB, _DYNSYM):
                strings = self.sections[section[6]][4]
                for row in SYMBOL.iter_unpack(self.data[section[4] : section[4] + section[5]]):
                    yield strings, row

    def place(self, address: int, *, mapped: bool = False) -> int:
        """Return where in the file an address is loaded from.

        Args:
            address: as the file counts.
            mapped: it may also lie behind what is loaded, in the rest of the last page, which the
                process has mapped from the file all the same.

        Raises:
            FormatError: it is no address of something in the file.
        """
        start, count = self.segments
        for number in range(count):
            row = _SEGMENT.unpack_from(self.data, start + number * _SEGMENT.size)
            kind, _, offset, virtual, _, size = row[:6]
            end = virtual + size
            if mapped:
                end += -end % mmap.PAGESIZE
            if kind == _PT_LOAD and virtual <= address < end:
                return int(address - virtual + offset)
        raise FormatError(f"{self.path}: nothing is loaded at {address:#x}")
