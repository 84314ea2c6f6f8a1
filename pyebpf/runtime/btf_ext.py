"""``.BTF.ext``: which function, which source line and which relocation belongs to an instruction.

The header and the three kinds of records have grown over time and say their own length, so longer
ones are read as far as they are known here.

Source: ``Documentation/bpf/btf.rst`` of Linux, "BTF.ext section".
"""

from __future__ import annotations

from struct import Struct

from pyebpf.errors import FormatError
from pyebpf.plain import Frozen
from pyebpf.spec.objects import CoreKind, CoreReloc, FuncInfo, LineInfo

BTF_MAGIC = 0xEB9F
_INSN_SIZE = 8

# magic version flags hdr_len
_START = Struct("<HBBI")
# type_off type_len str_off str_len
_STRINGS = Struct("<8x8xII")
_PART = Struct("<II")
# sec_name_off num_info
_BLOCK = Struct("<II")
_FUNC = Struct("<II")
# insn_off file_name_off line_off line_col
_LINE = Struct("<IIII")
# insn_off type_id access_str_off kind
_CORE = Struct("<IIII")


class SectionInfo(Frozen):
    """Everything that ``.BTF.ext`` says about one section, in instruction order."""

    functions: tuple[FuncInfo, ...] = ()
    lines: tuple[LineInfo, ...] = ()
    core: tuple[CoreReloc, ...] = ()


class Strings:
    """The string section of BTF data, by offset."""

    def __init__(self, btf: bytes) -> None:
        self.table = _string_section(btf)
        self._known: dict[int, str] = {}

    def __getitem__(self, offset: int) -> str:
        text = self._known.get(offset)
        if text is None:
            end = self.table.find(b"\0", offset)
            if end < 0:
                raise FormatError(f".BTF: string at byte {offset} of {len(self.table)}")
            text = self.table[offset:end].decode("utf-8", "surrogateescape")
            self._known[offset] = text
        return text


def _string_section(btf: bytes) -> bytes:
    if len(btf) < 24:
        raise FormatError(f".BTF: {len(btf)} bytes are no header")
    magic, _, _, length = _START.unpack_from(btf)
    if magic != BTF_MAGIC:
        raise FormatError(f".BTF: magic number {magic:#x}, expected {BTF_MAGIC:#x}")
    offset, size = _STRINGS.unpack_from(btf)
    start = length + offset
    if start + size > len(btf):
        raise FormatError(f".BTF: strings at bytes {start} to {start + size} of {len(btf)}")
    return btf[start : start + size]


def parse_btf_ext(data: bytes, strings: Strings) -> dict[str, SectionInfo]:
    """Read ``.BTF.ext``; return what it says, by section name.

    Raises:
        FormatError: a part lies outside the data, or a record is shorter than its first version.
    """
    functions, lines, core = _parts(data)
    found: dict[str, SectionInfo] = {}
    for name, rows in _records(functions, _FUNC, "func_info", strings):
        known = found.get(name, SectionInfo())
        more = tuple(FuncInfo(_insn(offset, "func_info"), kind) for offset, kind in rows)
        found[name] = known.replace(functions=known.functions + more)
    for name, rows in _records(lines, _LINE, "line_info", strings):
        known = found.get(name, SectionInfo())
        found[name] = known.replace(lines=known.lines + _lines(rows, strings))
    for name, rows in _records(core, _CORE, "core_relo", strings):
        known = found.get(name, SectionInfo())
        found[name] = known.replace(core=known.core + _core(rows, strings))
    return found


def _parts(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the bytes of func_info, line_info and core_relo; a short header has no core_relo."""
    if len(data) < _START.size:
        raise FormatError(f".BTF.ext: {len(data)} bytes are no header")
    magic, _, _, length = _START.unpack_from(data)
    if magic != BTF_MAGIC:
        raise FormatError(f".BTF.ext: magic number {magic:#x}, expected {BTF_MAGIC:#x}")
    parts = []
    for at in (8, 16, 24):
        if at + _PART.size > min(length, len(data)):
            parts.append(b"")
            continue
        offset, size = _PART.unpack_from(data, at)
        start = length + offset
        if start + size > len(data):
            raise FormatError(f".BTF.ext: bytes {start} to {start + size} of {len(data)}")
        parts.append(data[start : start + size])
    return parts[0], parts[1], parts[2]


def _records(
    part: bytes, row: Struct, what: str, strings: Strings
) -> list[tuple[str, list[tuple[int, ...]]]]:
    """Split a part into (section name, records), each record cut to the fields of ``row``."""
    if not part:
        return []
    if len(part) < 4:
        raise FormatError(f".BTF.ext: {what} has {len(part)} bytes")
    size = int.from_bytes(part[:4], "little")
    if size < row.size or size % 4:
        raise FormatError(f".BTF.ext: {what} records of {size} bytes, expected {row.size} or more")
    found, at = [], 4
    padded = Struct(f"{row.format}{size - row.size}x")
    while at < len(part):
        if at + _BLOCK.size > len(part):
            raise FormatError(f".BTF.ext: {what} ends inside a section's header")
        name, count = _BLOCK.unpack_from(part, at)
        at += _BLOCK.size
        end = at + count * size
        if end > len(part):
            raise FormatError(
                f".BTF.ext: {what} of {strings[name]!r} has fewer than {count} records"
            )
        found.append((strings[name], list(padded.iter_unpack(part[at:end]))))
        at = end
    return found


def _insn(offset: int, what: str) -> int:
    if offset % _INSN_SIZE:
        raise FormatError(f".BTF.ext: {what} at byte {offset}, which is inside an instruction")
    return offset // _INSN_SIZE


def _lines(rows: list[tuple[int, ...]], strings: Strings) -> tuple[LineInfo, ...]:
    return tuple(
        LineInfo(
            _insn(offset, "line_info"), strings[file], strings[text], place >> 10, place & 1023
        )
        for offset, file, text, place in rows
    )


def _core(rows: list[tuple[int, ...]], strings: Strings) -> tuple[CoreReloc, ...]:
    found = []
    for offset, kind, access, question in rows:
        if question >= len(CoreKind):
            raise FormatError(
                f".BTF.ext: CO-RE relocation of kind {question} at byte {offset} is not known "
                "here; the object was built by a newer compiler"
            )
        found.append(
            CoreReloc(_insn(offset, "core_relo"), kind, strings[access], CoreKind(question))
        )
    return tuple(found)
