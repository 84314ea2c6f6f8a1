"""Objects for tests: built with clang from ``tests/data/c``, and small ones made by hand."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from struct import pack

import pytest

SOURCES = Path(__file__).parent / "data" / "c"
CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 11, -1)))


@functools.cache
def _build(name: str, flags: tuple[str, ...]) -> bytes | None:
    clang = next(filter(None, map(shutil.which, CLANGS)), None)
    if clang is None:
        return None
    command = [clang, "-target", "bpfel", "-mcpu=v3", "-O2", "-g", *flags, "-c", "-o", "-"]
    done = subprocess.run(
        [*command, f"{name}.c"], cwd=SOURCES, check=True, stdout=subprocess.PIPE, timeout=60
    )
    return done.stdout


def compiled(name: str, *flags: str) -> bytes:
    """Return the object of ``tests/data/c/<name>.c``; skip the test where there is no clang."""
    data = _build(name, flags)
    if data is None:
        pytest.skip("no clang on this machine: objects of another compiler cannot be made")
    return data


SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOBITS, SHT_REL = 1, 2, 3, 8, 9
ALLOC, ALLOC_EXEC, ALLOC_WRITE = 2, 6, 3
OBJECT, FUNC, SECTION = 1, 2, 3
LOCAL, GLOBAL, WEAK = 0, 1, 2


class Elf:
    """A relocatable ELF file in the making. Sections are numbered from 1 in the order of adding."""

    def __init__(self) -> None:
        self._sections: list[tuple[str, int, int, bytes, int, int, int]] = []
        self._symbols = [bytes(24)]
        self._names = b"\0"

    def section(
        self, name: str, data: bytes, kind: int = SHT_PROGBITS, flags: int = 0, size: int = -1
    ) -> int:
        self._sections.append((name, kind, flags, data, size if size >= 0 else len(data), 0, 0))
        return len(self._sections)

    def symbol(
        self,
        name: str,
        section: int,
        value: int,
        size: int,
        kind: int = FUNC,
        binding: int = GLOBAL,
    ) -> int:
        self._symbols.append(
            pack("<IBBHQQ", len(self._names), binding << 4 | kind, 0, section, value, size)
        )
        self._names += name.encode() + b"\0"
        return len(self._symbols) - 1

    def relocate(self, section: int, *rows: tuple[int, int, int]) -> None:
        """Add relocations (offset, type, symbol) to a section."""
        data = b"".join(pack("<QII", *row) for row in rows)
        self._sections.append((".rel", SHT_REL, 0, data, len(data), 0, section))

    def to_bytes(self) -> bytes:
        sections = list(self._sections)
        symbols = b"".join(self._symbols)
        strings = len(sections) + 2
        sections.append((".symtab", SHT_SYMTAB, 0, symbols, len(symbols), strings, 1))
        sections.append((".strtab", SHT_STRTAB, 0, self._names, len(self._names), 0, 0))
        names = b"\0" + b"".join(s[0].encode() + b"\0" for s in sections) + b".shstrtab\0"
        sections.append((".shstrtab", SHT_STRTAB, 0, names, len(names), 0, 0))
        headers, body, at = bytes(64), b"", 64
        name_at = 1
        for name, kind, flags, data, size, link, info in sections:
            headers += pack("<IIQQQQIIQQ", name_at, kind, flags, 0, at, size, link, info, 1, 0)
            body += data
            at += len(data)
            name_at += len(name) + 1
        count = len(sections) + 1
        head = pack(
            "<16sHHIQQQIHHHHHH",
            b"\x7fELF\2\1\1",
            1,
            247,
            1,
            0,
            0,
            at,
            0,
            64,
            0,
            0,
            64,
            count,
            count - 1,
        )
        return head + body + headers


#: ``r0 = 0; exit``
RETURN_ZERO = bytes.fromhex("b7000000000000009500000000000000")


def minimal(code: bytes = RETURN_ZERO, section: str = "socket") -> Elf:
    """Return an object with one program, ``main``; its section is number 1."""
    elf = Elf()
    elf.section(section, code, flags=ALLOC_EXEC)
    elf.symbol("main", 1, 0, len(code))
    return elf
