"""Programs' BTF for kernels that do not know all of its kinds.

A kind that the kernel would refuse becomes one of the same length that it takes, so that every type
keeps its id.

Source:  the replacements that libbpf documents in ``bpf_object__sanitize_btf``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from pyebpf.btf import index
from pyebpf.btf.parse import Btf
from pyebpf.btf.types import Kind

_TYPE = struct.Struct("<III")
_BYTE = struct.pack("<I", 8)  # what follows an unsigned integer of 8 bits


def sanitise(  # noqa: PLR0913 - a flag per feature
    data: bytes,
    *,
    func: bool = True,
    func_global: bool = True,
    datasec: bool = True,
    float: bool = True,  # noqa: A002 - the name of the feature
    decl_tag: bool = True,
    type_tag: bool = True,
    enum64: bool = True,
) -> bytes:
    """Return BTF without the kinds that are said to be unknown to the kernel.

    Args:
        data: the BTF of an object file.
        func: functions and their prototypes (Linux 5.0).
        func_global: the linkage of functions (5.6).
        datasec: variables and data sections (5.2).
        float: floating-point numbers (5.13).
        decl_tag: tags on declarations (5.16).
        type_tag: tags on pointers (5.17).
        enum64: 64-bit enums and the sign of enums (6.0).

    Raises:
        FormatError: ``data`` is not BTF.
    """
    edit = _Edit(data)
    if not func:
        edit.each(Kind.FUNC, edit.to_typedef)
        edit.each(Kind.FUNC_PROTO, edit.to_enum)
    elif not func_global:
        edit.each(Kind.FUNC, edit.to_static)
    if not datasec:
        edit.each(Kind.DATASEC, edit.to_struct)  # before the variables that it takes names from
        edit.each(Kind.VAR, edit.to_byte)
    if not float:
        edit.each(Kind.FLOAT, edit.to_empty_struct)
    if not decl_tag:
        edit.each(Kind.DECL_TAG, edit.to_byte)
    if not type_tag:
        edit.each(Kind.TYPE_TAG, edit.to_const)
    if not enum64:
        edit.each(Kind.ENUM, edit.to_unsigned)
        edit.each(Kind.ENUM64, edit.to_union)
    return edit.result()


class _Edit:
    """Types are changed in place; new types and strings go to the end."""

    def __init__(self, data: bytes) -> None:
        self._btf = Btf.parse(data)
        self._types, self._text = map(bytearray, self._btf.sections())
        self._added = bytearray()
        self._placeholder = 0

    def each(self, kind: Kind, change: Callable[[int, int, int, int], None]) -> None:
        """Call ``change`` with place, name, count, and size or type of every type of a kind."""
        for at, name, info, size in list(self._rows()):
            if info >> 24 & 0x7F == kind:
                change(at, name, info & 0xFFFFFF, size)

    def _rows(self) -> Iterator[tuple[int, int, int, int]]:
        for start in self._btf.starts:
            yield (4 * start, *_TYPE.unpack_from(self._types, 4 * start))

    def _put(self, at: int, name: int, kind: Kind, count: int, size: int) -> None:
        _TYPE.pack_into(self._types, at, name, kind << 24 | count, size)

    def to_typedef(self, at: int, name: int, _: int, target: int) -> None:
        self._put(at, name, Kind.TYPEDEF, 0, target)

    def to_enum(self, at: int, _name: int, count: int, _: int) -> None:
        self._put(at, 0, Kind.ENUM, count, 4)  # the parameters' names and types become its values

    def to_static(self, at: int, name: int, _: int, target: int) -> None:
        self._put(at, name, Kind.FUNC, 0, target)

    def to_byte(self, at: int, _name: int, _: int, _target: int) -> None:
        # One byte: a larger integer might not fit where the variable was.
        self._put(at, 0, Kind.INT, 0, 1)
        self._types[at + 12 : at + 16] = _BYTE

    def to_empty_struct(self, at: int, _: int, _count: int, size: int) -> None:
        self._put(at, 0, Kind.STRUCT, 0, size)  # anonymous: `float` is no name of a struct

    def to_const(self, at: int, _: int, _count: int, target: int) -> None:
        self._put(at, 0, Kind.CONST, 0, target)

    def to_unsigned(self, at: int, name: int, count: int, size: int) -> None:
        self._put(at, name, Kind.ENUM, count, size)

    def to_struct(self, at: int, name: int, count: int, size: int) -> None:
        text = self._btf.string(name).replace(".", "_").replace("?", "_")
        self._put(at, self._add_string(text), Kind.STRUCT, count, size)
        for row in range(at + 12, at + 12 + 12 * count, 12):
            variable, offset, _ = _TYPE.unpack_from(self._types, row)
            (called,) = struct.unpack_from("<I", self._types, self._start(variable))
            _TYPE.pack_into(self._types, row, called, variable, 8 * offset)

    def to_union(self, at: int, name: int, count: int, size: int) -> None:
        self._put(at, name, Kind.UNION, count, size)
        for row in range(at + 12, at + 12 + 12 * count, 12):
            struct.pack_into("<II", self._types, row + 4, self._byte_type(), 0)

    def _start(self, type_id: int) -> int:
        self._btf.kind(type_id)  # complains about an id that does not exist
        return 4 * self._btf.starts[type_id - 1] if type_id else 0

    def _byte_type(self) -> int:
        if not self._placeholder:
            name = self._add_string("enum64_placeholder")
            self._added += _TYPE.pack(name, Kind.INT << 24, 1) + _BYTE
            self._placeholder = len(self._btf)
        return self._placeholder

    def _add_string(self, text: str) -> int:
        self._text += index.encode(text) + b"\0"
        return len(self._text) - len(index.encode(text)) - 1

    def result(self) -> bytes:
        types, text = bytes(self._types + self._added), bytes(self._text)
        header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(text))
        return header + types + text
