"""A graph of types as BTF bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from pyebpf.btf import types as t
from pyebpf.btf.index import encode
from pyebpf.btf.parse import Btf

_HEADER = struct.Struct("<HBBIIIII")
_TYPE = struct.Struct("<III")
_MAGIC, _VERSION = 0xEB9F, 1


def write(types: Iterable[t.Type]) -> bytes:
    """Return BTF with ``types``, which get the ids 1, 2, and so on."""
    builder = Builder()
    for node in types:
        builder.add(node)
    return builder.to_bytes()


class Builder:
    """Makes BTF, type by type. Every ``add`` method returns the id of the new type.

    A type may refer to one that is added later; :attr:`next_id` says which id comes next.
    """

    def __init__(self, base: Btf | None = None) -> None:
        self._base = base
        self._nodes: list[t.Type] = []
        self._first_string = base.strings_end if base is not None else 0
        self._text = bytearray() if base is not None else bytearray(1)
        self._offsets: dict[str, int] = {"": 0}

    @property
    def next_id(self) -> int:
        """The id that the next type gets."""
        return (len(self._base) if self._base is not None else 1) + len(self._nodes)

    def add(self, node: t.Type) -> int:
        """Add any node."""
        self._nodes.append(node)
        return self.next_id - 1

    def replace(self, type_id: int, node: t.Type) -> None:
        """Put another node in the place of an own one."""
        self._nodes[type_id - self.next_id + len(self._nodes)] = node

    def add_int(self, name: str, size: int, *, signed: bool = False, encoding: int = 0) -> int:
        """Add an integer of ``size`` bytes."""
        return self.add(t.Int(name, size, encoding | (t.SIGNED if signed else 0), 8 * size))

    def add_ptr(self, target: int = 0) -> int:
        """Add a pointer; to ``void`` if nothing else is said."""
        return self.add(t.Ptr(target))

    def add_array(self, element: int, count: int, index: int | None = None) -> int:
        """Add an array; its index type is its element's unless given."""
        return self.add(t.Array(element, element if index is None else index, count))

    def add_struct(self, name: str, size: int, members: Sequence[t.Member | _Row] = ()) -> int:
        """Add a struct; a member may be a tuple of name, type, bit offset and bitfield size."""
        return self.add(t.Struct(name, size, _members(members)))

    def add_union(self, name: str, size: int, members: Sequence[t.Member | _Row] = ()) -> int:
        """Add a union."""
        return self.add(t.Union(name, size, _members(members)))

    def add_enum(
        self, name: str, values: dict[str, int], *, size: int = 4, signed: bool = False
    ) -> int:
        """Add an enum: one of the 64-bit kind when its size is 8 bytes."""
        kind = t.Enum64 if size == 8 else t.Enum
        pairs = tuple(t.Enumerator(*pair) for pair in values.items())
        return self.add(kind(name, size, pairs, signed))

    def add_typedef(self, name: str, target: int) -> int:
        """Add a typedef."""
        return self.add(t.Typedef(name, target))

    def add_proto(self, result: int, params: Sequence[tuple[str, int]] = ()) -> int:
        """Add a function prototype."""
        return self.add(t.FuncProto(result, tuple(t.Param(*param) for param in params)))

    def add_func(self, name: str, proto: int, linkage: int = 0) -> int:
        """Add a function; ``linkage`` 0 is static, 1 global, 2 extern."""
        return self.add(t.Func(name, proto, linkage))

    def to_bytes(self) -> bytes:
        """Return everything added so far as BTF."""
        types = b"".join(map(self._encode, self._nodes))
        text = bytes(self._text)
        size = _HEADER.size
        header = (_MAGIC, _VERSION, 0, size, 0, len(types), len(types), len(text))
        return _HEADER.pack(*header) + types + text

    def build(self) -> Btf:
        """Return everything added so far as a graph."""
        return Btf.parse(self.to_bytes(), self._base)

    def _string(self, name: str) -> int:
        offset = self._offsets.get(name)
        if offset is None:
            offset = self._offsets[name] = self._first_string + len(self._text)
            self._text += encode(name) + b"\0"
        return offset

    def _encode(self, node: t.Type) -> bytes:
        name = self._string(getattr(node, "name", ""))
        count, flag = _info(node)
        head = _TYPE.pack(name, node.kind << 24 | flag << 31 | count, _size_or_type(node))
        words = [word for row in self._rows(node) for word in row] or _fixed(node)
        return head + struct.pack(f"<{len(words)}I", *words)

    def _rows(self, node: t.Type) -> list[tuple[int, ...]]:
        """Return the words of each element, of the kinds that have elements."""
        string = self._string
        match node:
            case t.Struct() | t.Union():
                return [
                    (string(m.name), m.type, m.bitfield_size << 24 | m.bit_offset)
                    for m in node.members
                ]
            case t.Enum():
                return [(string(v.name), v.value & _WORD) for v in node.values]
            case t.Enum64():
                pairs = ((string(v.name), v.value) for v in node.values)
                return [(name, value & _WORD, value >> 32 & _WORD) for name, value in pairs]
            case t.FuncProto():
                return [(string(p.name), p.type) for p in node.params]
            case t.DataSec():
                return [(v.type, v.offset, v.size) for v in node.vars]
        return []


_Row = tuple[str, int, int] | tuple[str, int, int, int]
_WORD = 0xFFFFFFFF


def _members(rows: Sequence[t.Member | _Row]) -> tuple[t.Member, ...]:
    return tuple(row if isinstance(row, t.Member) else t.Member(*row) for row in rows)


def _fixed(node: t.Type) -> list[int]:
    """Return the words that follow the common three, of the kinds without elements."""
    match node:
        case t.Int():
            return [node.encoding << 24 | node.offset << 16 | node.bits]
        case t.Array():
            return [node.element, node.index, node.count]
        case t.Var():
            return [node.linkage]
        case t.DeclTag():
            return [node.component & _WORD]
    return []


def _info(node: t.Type) -> tuple[int, bool]:
    """Return the count and the flag of the ``info`` word."""
    match node:
        case t.Struct() | t.Union():
            return len(node.members), any(member.bitfield_size for member in node.members)
        case t.Enum() | t.Enum64():
            return len(node.values), node.signed
        case t.FuncProto():
            return len(node.params), False
        case t.DataSec():
            return len(node.vars), False
        case t.Func():
            return node.linkage, False
    return 0, isinstance(node, t.Fwd) and node.is_union


def _size_or_type(node: t.Type) -> int:
    if isinstance(node, t.FuncProto):
        return node.result
    number: int = getattr(node, "size", 0) or getattr(node, "type", 0)
    return number
