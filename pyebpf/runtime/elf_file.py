"""The container: sections, symbols and relocations of a 64-bit little-endian relocatable ELF file.

Knows ELF and nothing of BPF; ``pyebpf.runtime.elf`` gives the parts a meaning. Written for objects
of a few hundred kilobytes that are parsed at every start of a tool, so a section's bytes are
copied only when asked for.

Source: the System V ABI, chapters 4 (object files) and 5; ``include/uapi/linux/elf.h``.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from pyebpf.errors import FormatError

ET_REL, EM_BPF = 1, 247
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 1, 2, 3, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SHN_UNDEF, SHN_LORESERVE = 0, 0xFF00
STT_OBJECT, STT_FUNC, STT_SECTION = 1, 2, 3
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
STV_DEFAULT, STV_INTERNAL, STV_HIDDEN = 0, 1, 2

# e_ident | type machine version | entry phoff shoff | flags ehsize phentsize phnum
# shentsize shnum shstrndx
HEADER = Struct("<16sHHIQQQIHHHHHH")
# name type | flags addr offset size | link info | addralign entsize
SECTION = Struct("<IIQQQQIIQQ")
# name info other shndx | value size
SYMBOL = Struct("<IBBHQQ")
# offset | info (type in the low half, symbol in the high half)
_REL = Struct("<QII")


class Section(NamedTuple):
    """A section header, its name looked up. ``offset`` and ``size`` in bytes."""

    number: int
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def is_code(self) -> bool:
        """Whether it holds instructions."""
        return self.kind == SHT_PROGBITS and bool(self.flags & SHF_EXECINSTR)

    def __str__(self) -> str:
        return f"section {self.number} {self.name!r}"


class Symbol(NamedTuple):
    """A row of the symbol table. ``value`` is the offset in section number ``section``."""

    name: str
    value: int
    size: int
    section: int
    kind: int
    binding: int
    visibility: int

    @property
    def is_weak(self) -> bool:
        """Whether it may stay undefined."""
        return self.binding == STB_WEAK


class Reloc(NamedTuple):
    """A relocation of ``SHT_REL``: what stands at ``offset`` refers to ``symbol``."""

    offset: int
    kind: int
    symbol: Symbol


class ElfFile:
    """The parts of one ELF file.

    Raises:
        FormatError: the bytes are no relocatable BPF object, or a table of it lies outside the
        file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._view = memoryview(data)
        self.sections = self._read_sections()
        self.symbols = self._read_symbols()
        self._rels: dict[int, list[Section]] = {}
        for section in self.sections:
            if section.kind in (SHT_REL, SHT_RELA):
                self._rels.setdefault(section.info, []).append(section)

    def find(self, name: str) -> Section | None:
        """Return the first section with data called ``name``."""
        for section in self.sections:
            if section.name == name and section.kind in (SHT_PROGBITS, SHT_NOBITS):
                return section
        return None

    def contents(self, section: Section) -> bytes:
        """Return a copy of a section's bytes; ``SHT_NOBITS`` has none."""
        return self._bytes(section).tobytes()

    def section(self, index: int) -> Section | None:
        """Return section number ``index``; None for the reserved numbers."""
        return self.sections[index] if 0 < index < len(self.sections) else None

    def relocations(self, section: Section) -> list[Reloc]:
        """Return what refers to other places from ``section``, in file order.

        Raises:
            FormatError: a relocation names a symbol that is not there, or has an explicit addend.
        """
        found = []
        for table in self._rels.get(section.number, ()):
            if table.kind == SHT_RELA:
                raise FormatError(f"{table}: BPF objects have no relocations with addends (RELA)")
            for offset, kind, number in _REL.iter_unpack(self._rows(table, _REL)):
                if number >= len(self.symbols):
                    raise FormatError(
                        f"{table}: a relocation names symbol {number} of {len(self.symbols)}"
                    )
                found.append(Reloc(offset, kind, self.symbols[number]))
        return found

    def _read_sections(self) -> list[Section]:
        table, names = _section_table(self.data)
        headers = list(SECTION.iter_unpack(table))
        if names >= len(headers):
            raise FormatError(
                f"ELF header: section names in section {names}, there are {len(headers)}"
            )
        where, length = headers[names][4:6]
        strings = self._slice(where, length, "the section name table").tobytes()
        found = []
        for index, row in enumerate(headers):
            name, kind, flags, _, offset, size, link, info, _, _ = row
            found.append(
                Section(
                    index, _string(strings, name, "section"), kind, flags, offset, size, link, info
                )
            )
        return found

    def _read_symbols(self) -> list[Symbol]:
        table = next((s for s in self.sections if s.kind == SHT_SYMTAB), None)
        if table is None:
            raise FormatError("no symbol table (.symtab); was the object stripped?")
        linked = self.section(table.link)
        if linked is None or linked.kind != SHT_STRTAB:
            raise FormatError(f"{table}: its string table, section {table.link}, is none")
        strings = self._bytes(linked).tobytes()
        return [
            Symbol(
                _string(strings, name, "symbol"),
                value,
                size,
                place,
                info & 15,
                info >> 4,
                other & 3,
            )
            for name, info, other, place, value, size in SYMBOL.iter_unpack(
                self._rows(table, SYMBOL)
            )
        ]

    def _rows(self, section: Section, row: Struct) -> bytes:
        if section.size % row.size:
            raise FormatError(f"{section}: {section.size} bytes are no multiple of {row.size}")
        # A copy: CPython 3.11 may crash when an exception leaves iter_unpack() over a memoryview
        # behind in a reference cycle, since its collector clears the view before the iterator.
        return self.contents(section)

    def _bytes(self, section: Section) -> memoryview:
        if section.kind == SHT_NOBITS:
            return self._view[:0]
        return self._slice(section.offset, section.size, str(section))

    def _slice(self, offset: int, size: int, what: str) -> memoryview:
        if offset + size > len(self.data):
            raise FormatError(
                f"{what}: bytes {offset} to {offset + size} of a file of {len(self.data)} bytes"
            )
        return self._view[offset : offset + size]


def _section_table(data: bytes) -> tuple[bytes, int]:
    """Check the file header; return the section header table and the section of its names."""
    if len(data) < HEADER.size or data[:4] != b"\x7fELF":
        raise FormatError("not an ELF file: it does not start with a 64-byte ELF header")
    if data[4] != 2 or data[5] != 1:
        raise FormatError("not a 64-bit little-endian ELF file (build with -target bpfel)")
    head = HEADER.unpack_from(data)
    kind, machine, offset = head[1], head[2], head[6]
    entry_size, count, names = head[11], head[12], head[13]
    # Objects of LLVM before 3.9 say machine 0.
    if kind != ET_REL or machine not in (0, EM_BPF):
        raise FormatError(f"not a relocatable BPF object: ELF type {kind}, machine {machine}")
    if entry_size != SECTION.size or not count:
        raise FormatError(f"ELF header: {count} section headers of {entry_size} bytes each")
    end = offset + count * entry_size
    if end > len(data):
        raise FormatError(
            f"section headers: bytes {offset} to {end} of a file of {len(data)} bytes"
        )
    return data[offset:end], names


def _string(strings: bytes, offset: int, what: str) -> str:
    end = strings.find(b"\0", offset)
    if end < 0:
        raise FormatError(f"the name of a {what} is at byte {offset} of {len(strings)}")
    return strings[offset:end].decode("utf-8", "surrogateescape")
