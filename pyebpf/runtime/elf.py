"""The bytes of an object file, ours or one that clang built, as an :class:`ObjectSpec`.

Pure: reads its argument only. Maps are in ``elf_maps``, debug information in ``btf_ext``, the
container in ``elf_file``; here every instruction that refers to something gets a name for it.

Source: ``Documentation/bpf/llvm_reloc.rst`` of Linux, and what libbpf accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from pyebpf.errors import FormatError
from pyebpf.runtime import elf_file, elf_maps, object_btf
from pyebpf.runtime.btf_ext import SectionInfo, Strings, parse_btf_ext
from pyebpf.runtime.elf_file import ElfFile, Reloc, Section, Symbol
from pyebpf.spec.objects import (
    FunctionSpec,
    MapSpec,
    ObjectSpec,
    ProgramSpec,
    SectionSpec,
    SymbolReloc,
    SymbolUse,
)

R_BPF_64_ABS32, R_BPF_64_NODYLD32 = 3, 4

INSN = Struct("<BBhi")  # opcode registers(dst | src << 4) off imm
OP_LD_IMM64, OP_CALL = 0x18, 0x85
PSEUDO_CALL, PSEUDO_FUNC = 1, 4
#: ``addend`` of an EXTERN reference that may stay unresolved (its symbol is weak).
WEAK = 1

_SUBPROGRAMS = ".text"


def parse_object(data: bytes, *, name: str = "") -> ObjectSpec:
    """Read an object file.

    Args:
        data: an ELF file.
        name: the object's name, for the names of its global-data maps: ``.bss`` of ``opensnoop`` is
            ``opensnoop.bss``, with ``name`` cut so that all fits 15 characters. Without it,
            ``.bss``.

    Raises:
        FormatError: the bytes are no BPF object, or hold something that cannot be loaded; the
            message says what and where.

    Cost: about 1 ms for a tool of ours.
    """
    return _Reader(data, name).read()


class _Reader:
    """One object while it is being read."""

    def __init__(self, data: bytes, name: str) -> None:
        self.elf = ElfFile(data)
        self.code = [s for s in self.elf.sections if s.is_code and s.size]
        self.functions = list(self._functions())
        self._starts = {(f.section, f.start): f.name for f in self.functions}
        self.btf = self._btf()
        self.maps = elf_maps.read_maps(self.elf, self.btf, name)

    def read(self) -> ObjectSpec:
        info = self._info()
        return ObjectSpec(
            programs=tuple(
                ProgramSpec(f.name, f.section)
                for f in self.functions
                if f.is_global and f.section != _SUBPROGRAMS
            ),
            functions=tuple(self.functions),
            sections=tuple(self._section(s, info.get(s.name, SectionInfo())) for s in self.code),
            maps=tuple(self.maps.specs),
            license=self._text("license", "license") or "GPL",
            btf=self.btf,
            producer=self._text(".comment").partition("\n")[0],
            kconfig=tuple(self._kconfig()),
        )

    def _functions(self) -> Iterator[FunctionSpec]:
        code = {s.number: s for s in self.code}
        for symbol in self.elf.symbols:
            section = code.get(symbol.section)
            if section is None or symbol.kind != elf_file.STT_FUNC:
                continue
            if symbol.value % 8 or symbol.size % 8 or not symbol.size:
                raise FormatError(f"{section}: function {symbol.name!r} is no whole instructions")
            if symbol.value + symbol.size > section.size:
                raise FormatError(f"{section}: function {symbol.name!r} reaches past its end")
            yield FunctionSpec(
                symbol.name,
                section.name,
                symbol.value // 8,
                symbol.size // 8,
                symbol.binding != elf_file.STB_LOCAL,
            )

    def _btf(self) -> bytes:
        section = self.elf.find(".BTF")
        if section is None:
            return b""
        return object_btf.lay_out(
            _relocated(self.elf, section),
            {s.name: s.size for s in self.elf.sections if s.flags & elf_file.SHF_ALLOC},
            {s.name for s in self.elf.symbols if s.visibility in _HIDDEN and s.kind == _FUNC},
        )

    def _info(self) -> dict[str, SectionInfo]:
        section = self.elf.find(".BTF.ext")
        if section is None or not self.btf:
            return {}
        return parse_btf_ext(_relocated(self.elf, section), Strings(self.btf))

    def _text(self, name: str, what: str = "") -> str:
        section = self.elf.find(name)
        if section is None:
            return ""
        text = self.elf.contents(section).strip(b"\0").partition(b"\0")[0]
        if what and not text.isascii():
            raise FormatError(f"{section}: the {what} is not ASCII text")
        return text.decode("utf-8", "replace")

    def _kconfig(self) -> list[str]:
        externs = {s.name for s in self.elf.symbols if s.section == elf_file.SHN_UNDEF}
        return [name for name in self.maps.kconfig if name in externs]

    def _section(self, section: Section, info: SectionInfo) -> SectionSpec:
        if section.size % 8:
            raise FormatError(f"{section}: {section.size} bytes are no whole instructions")
        code = self.elf.contents(section)
        _check_range(section, info)
        return SectionSpec(
            section.name,
            code,
            symbols=tuple(_References(self, section, code).read()),
            core=info.core,
            functions=info.functions,
            lines=info.lines,
        )

    def function_at(self, section: str, insn: int) -> str | None:
        return self._starts.get((section, insn))


_HIDDEN = (elf_file.STV_HIDDEN, elf_file.STV_INTERNAL)
_FUNC = elf_file.STT_FUNC


def _check_range(section: Section, info: SectionInfo) -> None:
    """Refuse debug information about instructions that the section does not have."""
    count = section.size // 8
    numbers = [row.insn for row in info.functions]
    numbers += [row.insn for row in info.lines]
    numbers += [row.insn for row in info.core]
    if numbers and max(numbers) >= count:
        raise FormatError(f"{section}: .BTF.ext is about instruction {max(numbers)} of {count}")


def _relocated(elf: ElfFile, section: Section) -> bytes:
    """Return a section of 32-bit words with what is known about symbols added."""
    data = bytearray(elf.contents(section))
    for reloc in elf.relocations(section):
        if reloc.kind not in (R_BPF_64_ABS32, R_BPF_64_NODYLD32) or not reloc.symbol.value:
            continue
        if reloc.offset + 4 > len(data):
            raise FormatError(f"{section}: relocation at byte {reloc.offset} of {len(data)}")
        at = slice(reloc.offset, reloc.offset + 4)
        value = int.from_bytes(data[at], "little") + reloc.symbol.value
        data[at] = (value & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(data)


class _Insn(NamedTuple):
    """An instruction that refers to something."""

    at: int
    opcode: int
    source: int
    imm: int


class _References:
    """What the instructions of one section refer to."""

    def __init__(self, reader: _Reader, section: Section, code: bytes) -> None:
        self._reader, self._section, self._code = reader, section, code

    def read(self) -> list[SymbolReloc]:
        found = {}
        for reloc in self._reader.elf.relocations(self._section):
            insn = self._insn(reloc)
            found[insn.at] = self._resolve(insn, reloc.symbol)
        for insn in self._local_calls():
            if insn.at not in found:
                target = insn.at + 1 + insn.imm
                found[insn.at] = self._function(insn, self._section, target, SymbolUse.CALL)
        return [found[index] for index in sorted(found)]

    def _insn(self, reloc: Reloc) -> _Insn:
        index, rest = divmod(reloc.offset, 8)
        if rest or reloc.offset >= len(self._code):
            raise FormatError(f"{self._section}: relocation at byte {reloc.offset}")
        opcode, registers, _, imm = INSN.unpack_from(self._code, reloc.offset)
        if opcode == OP_LD_IMM64 and reloc.offset + 16 > len(self._code):
            raise self._error(index, "a 64-bit load is cut off")
        return _Insn(index, opcode, registers >> 4, imm)

    def _local_calls(self) -> Iterator[_Insn]:
        """Yield the calls of other functions, with or without a relocation."""
        at = self._code.find(OP_CALL)
        while at >= 0:
            if not at % 8 and self._code[at + 1] >> 4 == PSEUDO_CALL:
                yield _Insn(at // 8, OP_CALL, PSEUDO_CALL, INSN.unpack_from(self._code, at)[3])
            at = self._code.find(OP_CALL, at + 1)

    def _resolve(self, insn: _Insn, symbol: Symbol) -> SymbolReloc:
        if insn.opcode not in (OP_CALL, OP_LD_IMM64):
            raise self._error(
                insn.at,
                f"opcode {insn.opcode:#x} refers to {symbol.name!r}; "
                "only calls and 64-bit loads may",
            )
        if symbol.section == elf_file.SHN_UNDEF:
            return self._extern(insn, symbol)
        section = self._reader.elf.section(symbol.section)
        if section is None:
            raise self._error(insn.at, f"symbol {symbol.name!r} is in no section")
        if insn.opcode == OP_CALL:
            target = symbol.value // 8 + insn.imm + 1
            return self._function(insn, section, target, SymbolUse.CALL)
        if section.is_code:
            target = symbol.value // 8 + insn.imm // 8
            return self._function(insn, section, target, SymbolUse.FUNC)
        return self._data(insn, section, symbol.value + insn.imm, symbol.name)

    def _extern(self, insn: _Insn, symbol: Symbol) -> SymbolReloc:
        if not symbol.name:
            raise self._error(insn.at, "it refers to a symbol without a name")
        return SymbolReloc(insn.at, SymbolUse.EXTERN, symbol.name, WEAK if symbol.is_weak else 0)

    def _function(self, insn: _Insn, section: Section, target: int, use: SymbolUse) -> SymbolReloc:
        name = self._reader.function_at(section.name, target)
        if name is None:
            raise self._error(insn.at, f"no function starts at {target} of {section}")
        return SymbolReloc(insn.at, use, name, target)

    def _data(self, insn: _Insn, section: Section, offset: int, name: str) -> SymbolReloc:
        maps = self._reader.maps
        if section.number == maps.section:
            known = maps.at_offset.get(offset)
            if known is None:
                raise self._error(insn.at, f"no map at byte {offset} of {section}")
            return SymbolReloc(insn.at, SymbolUse.MAP, known)
        known = maps.data.get(section.number)
        if known is None:
            what = f"{name!r} in {section}"
            raise self._error(insn.at, f"it refers to {what}, which is no map and no data")
        return SymbolReloc(insn.at, SymbolUse.MAP_VALUE, known, offset)

    def _error(self, index: int, why: str) -> FormatError:
        return FormatError(f"{self._section}, instruction {index}: {why}")


__all__ = ["MapSpec", "parse_object"]
