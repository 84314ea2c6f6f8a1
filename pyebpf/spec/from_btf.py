"""BTF types as the data types of views: what an object says about its maps, for numpy.

Not every C type has a counterpart. Unions, bit-fields of packed structs, floats, flexible arrays
and 128-bit integers have none, nor has a struct with such a member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.btf import types as t
from pyebpf.spec.types import Address, Array, Bool, Chars, DataType, Field, Int, Record

if TYPE_CHECKING:
    from pyebpf.btf.parse import Btf

#: The kernel's own limit on nesting (``MAX_RESOLVE_DEPTH`` of ``kernel/bpf/btf.c``).
_MAX_DEPTH = 32


def data_type(btf: Btf, type_id: int) -> DataType | None:
    """Return what type ``type_id`` of ``btf`` is to a view; None if it has no counterpart.

    Raises:
        FormatError: the BTF is damaged.
    """
    return _Converter(btf).convert(type_id, 0)


def section_type(btf: Btf, section: t.DataSec, size: int) -> Record:
    """Return the variables of a data section as a record; those without a counterpart are left out.

    Units:   ``size`` is that of the section, in bytes.
    """
    converter = _Converter(btf)
    fields = []
    for var in section.vars:
        node = btf.type(var.type)
        if isinstance(node, t.Var):
            kind = converter.convert(node.type, 0)
            if kind is not None and var.offset + kind.size <= size:
                fields.append(Field(node.name, kind, var.offset))
    return Record(section.name, tuple(fields), size, 8)


class _Converter:
    """One conversion; every type is converted once, however often it is used."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._done: dict[int, DataType | None] = {}

    def convert(self, type_id: int, depth: int) -> DataType | None:
        type_id = self._btf.skip(type_id)
        if type_id not in self._done:
            self._done[type_id] = None  # what a type that contains itself finds
            if depth < _MAX_DEPTH:
                self._done[type_id] = self._new(type_id, depth + 1)
        return self._done[type_id]

    def _new(self, type_id: int, depth: int) -> DataType | None:
        node = self._btf.type(type_id)
        if isinstance(node, t.Int):
            return _integer(node)
        if isinstance(node, (t.Enum, t.Enum64)):
            return Int(8 * node.size, node.signed) if node.size in _WIDTHS else None
        if isinstance(node, t.Ptr):
            return self._pointer(node)
        if isinstance(node, t.Array):
            return self._array(node, depth)
        if isinstance(node, t.Struct):
            return self._record(node, depth)
        return None

    def _pointer(self, node: t.Ptr) -> Address:
        target = self._btf.type(node.type)
        user = isinstance(target, t.TypeTag) and target.name == "user"
        struct = self._btf.skip(node.type)
        named = self._btf.kind(struct) in (*t.COMPOSITES, t.Kind.FWD)
        return Address(self._btf.name(struct) if named else "", user)

    def _array(self, node: t.Array, depth: int) -> DataType | None:
        element = self._btf.type(self._btf.skip(node.element))
        if isinstance(element, t.Int) and element.name == "char" and element.size == 1:
            return Chars(node.count) if node.count else None
        kind = self.convert(node.element, depth)
        return Array(kind, node.count) if kind is not None and node.count else None

    def _record(self, node: t.Struct, depth: int) -> Record | None:
        fields = self._fields(node, 0, depth)
        if fields is None:
            return None
        align = max((field.type.align for field in fields), default=1)
        return Record(node.name, tuple(fields), node.size, align)

    def _fields(self, node: t.Struct, base: int, depth: int) -> list[Field] | None:
        fields: list[Field] = []
        for member in node.members:
            offset, bit = divmod(member.bit_offset, 8)
            kind = self.convert(member.type, depth)
            if kind is not None and member.bitfield_size:
                found = _bitfield(member, kind, node.size)
                if found is None:
                    return None
                fields.append(found.replace(offset=base + found.offset))
                continue
            if kind is None or bit or offset + kind.size > node.size:
                return None
            if not member.name and isinstance(kind, Record):
                fields += [f.replace(offset=base + offset + f.offset) for f in kind.fields]
            else:
                fields.append(Field(member.name, kind, base + offset))
        return fields


def _bitfield(member: t.Member, kind: DataType, size: int) -> Field | None:
    """Return a bit-field; None if it crosses two units of its type, as packed ones may."""
    if not member.name or not isinstance(kind, (Int, Bool)):
        return None
    unit = kind.size * 8
    start = member.bit_offset // unit * unit
    shift = member.bit_offset - start
    if shift + member.bitfield_size > unit or start + unit > size * 8:
        return None
    return Field(member.name, kind, start // 8, member.bitfield_size, shift)


_WIDTHS = (1, 2, 4, 8)


def _integer(node: t.Int) -> DataType | None:
    if node.size not in _WIDTHS or node.offset or node.bits not in (0, 8 * node.size):
        # clang gives _Bool one byte and eight bits, gcc one bit.
        return Bool() if node.encoding & t.BOOL and node.size == 1 else None
    if node.encoding & t.BOOL:
        return Bool() if node.size == 1 else None
    return Int(8 * node.size, node.signed)
