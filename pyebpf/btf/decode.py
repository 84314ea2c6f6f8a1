"""One function per BTF kind: bytes to node.

Each takes the blob, where the part begins that is special to the kind, a function that reads a
string, and the three words that all kinds have: name, info, and size or type.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from pyebpf.btf import types as t

if TYPE_CHECKING:
    from mmap import mmap

    Blob: TypeAlias = bytes | mmap

String: TypeAlias = Callable[[int], str]
Decoder: TypeAlias = "Callable[[Blob, int, String, str, int, int], t.Type]"

_ONE = struct.Struct("<I")
_THREE = struct.Struct("<III")


def _count(info: int) -> int:
    return info & 0xFFFFFF


def _flag(info: int) -> bool:
    return bool(info >> 31)


def _pairs(data: Blob, at: int, info: int, item: str = "II") -> list[tuple[int, int]]:
    words = struct.unpack_from("<" + item * _count(info), data, at)
    return list(zip(words[::2], words[1::2], strict=True))


def _triples(data: Blob, at: int, info: int) -> list[tuple[int, int, int]]:
    words = struct.unpack_from(f"<{3 * _count(info)}I", data, at)
    return list(zip(words[::3], words[1::3], words[2::3], strict=True))


def _int(data: Blob, at: int, _: String, name: str, _info: int, size: int) -> t.Int:
    (word,) = _ONE.unpack_from(data, at)
    return t.Int(name, size, word >> 24 & 0xF, word & 0xFF, word >> 16 & 0xFF)


def _array(data: Blob, at: int, _: String, _name: str, _info: int, _size: int) -> t.Array:
    return t.Array(*_THREE.unpack_from(data, at))


def _members(data: Blob, at: int, string: String, info: int) -> tuple[t.Member, ...]:
    # With the flag set, the offset word holds the size of a bitfield in its upper 8 bits.
    bits, shift = (0xFFFFFF, 24) if _flag(info) else (0xFFFFFFFF, 32)
    return tuple(
        t.Member(string(name), kind, offset & bits, offset >> shift)
        for name, kind, offset in _triples(data, at, info)
    )


def _struct(data: Blob, at: int, string: String, name: str, info: int, size: int) -> t.Struct:
    return t.Struct(name, size, _members(data, at, string, info))


def _union(data: Blob, at: int, string: String, name: str, info: int, size: int) -> t.Union:
    return t.Union(name, size, _members(data, at, string, info))


def _enum(data: Blob, at: int, string: String, name: str, info: int, size: int) -> t.Enum:
    pairs = _pairs(data, at, info, "Ii" if _flag(info) else "II")
    return t.Enum(name, size, tuple(t.Enumerator(string(n), v) for n, v in pairs), _flag(info))


def _enum64(data: Blob, at: int, string: String, name: str, info: int, size: int) -> t.Enum64:
    top = 1 << 63 if _flag(info) else 1 << 64
    values = ((string(n), low | high << 32) for n, low, high in _triples(data, at, info))
    pairs = (t.Enumerator(n, v if v < top else v - (1 << 64)) for n, v in values)
    return t.Enum64(name, size, tuple(pairs), _flag(info))


def _fwd(_d: Blob, _a: int, _: String, name: str, info: int, _size: int) -> t.Fwd:
    return t.Fwd(name, _flag(info))


def _typedef(_d: Blob, _a: int, _: String, name: str, _info: int, target: int) -> t.Typedef:
    return t.Typedef(name, target)


def _type_tag(_d: Blob, _a: int, _: String, name: str, _info: int, target: int) -> t.TypeTag:
    return t.TypeTag(name, target)


def _ptr(_d: Blob, _a: int, _: String, _name: str, _info: int, target: int) -> t.Ptr:
    return t.Ptr(target)


def _volatile(_d: Blob, _a: int, _: String, _name: str, _info: int, target: int) -> t.Volatile:
    return t.Volatile(target)


def _const(_d: Blob, _a: int, _: String, _name: str, _info: int, target: int) -> t.Const:
    return t.Const(target)


def _restrict(_d: Blob, _a: int, _: String, _name: str, _info: int, target: int) -> t.Restrict:
    return t.Restrict(target)


def _func(_d: Blob, _a: int, _: String, name: str, info: int, target: int) -> t.Func:
    return t.Func(name, target, _count(info))  # the count is the linkage here


def _proto(data: Blob, at: int, string: String, _name: str, info: int, result: int) -> t.FuncProto:
    pairs = _pairs(data, at, info)
    return t.FuncProto(result, tuple(t.Param(string(n), kind) for n, kind in pairs))


def _var(data: Blob, at: int, _: String, name: str, _info: int, target: int) -> t.Var:
    return t.Var(name, target, *_ONE.unpack_from(data, at))


def _datasec(data: Blob, at: int, _: String, name: str, info: int, size: int) -> t.DataSec:
    return t.DataSec(name, size, tuple(t.SecVar(*row) for row in _triples(data, at, info)))


def _float(_d: Blob, _a: int, _: String, name: str, _info: int, size: int) -> t.Float:
    return t.Float(name, size)


def _decl_tag(data: Blob, at: int, _: String, name: str, _info: int, target: int) -> t.DeclTag:
    (component,) = struct.unpack_from("<i", data, at)
    return t.DeclTag(name, target, component)


def _void(_d: Blob, _a: int, _: String, _name: str, _info: int, _size: int) -> t.Void:
    return t.Void()


#: By kind number.
DECODERS: tuple[Decoder, ...] = (
    _void, _int, _ptr, _array, _struct, _union, _enum, _fwd, _typedef, _volatile, _const, _restrict,
    _func, _proto, _var, _datasec, _float, _decl_tag, _type_tag, _enum64,
)  # fmt: skip
