"""Structured arrays taken apart into columns of contiguous memory, as formats of tables need it.

Every column is a copy: what is exchanged does not change any more, though kernel memory does.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pyebpf.plain import Plain
from pyebpf.spec.types import Array, DataType, Octets, Record

_ADDRESSES: dict[str, type[IPv4Address | IPv6Address]] = {
    "IPv4Address": IPv4Address,
    "IPv6Address": IPv6Address,
}

#: Arrow's letters for numpy's types.
_FORMATS = {
    "i1": "c", "u1": "C", "i2": "s", "u2": "S", "i4": "i", "u4": "I", "i8": "l", "u8": "L",
    "f2": "e", "f4": "f", "f8": "g", "b1": "b",
}  # fmt: skip


def format_of(dtype: np.dtype[Any]) -> str:
    """Return Arrow's letter for a type of numbers, which the data frame protocol has too."""
    return _FORMATS[f"{dtype.kind}{dtype.itemsize}"]


class Numbers(Plain):
    """Integers, floats or truth values: ``values`` is ``(n,)``, contiguous, in native order."""

    name: str
    values: NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)


class Texts(Plain):
    """Texts in UTF-8, one behind the other: text ``i`` is ``data[offsets[i]:offsets[i + 1]]``."""

    name: str
    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Blobs(Plain):
    """Bytes of one length: ``values`` is ``(n, width)`` of ``uint8``."""

    name: str
    values: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.values)


class Lists(Plain):
    """Lists of ``length`` items each: ``items`` is a column of all, ``n * length`` long."""

    name: str
    count: int
    length: int
    items: Column

    def __len__(self) -> int:
        return self.count


class Structs(Plain):
    """Records: a column for each field, ``count`` long."""

    name: str
    count: int
    fields: tuple[Column, ...]

    def __len__(self) -> int:
        return self.count


Column: TypeAlias = "Numbers | Texts | Blobs | Lists | Structs"


def column(name: str, array: NDArray[Any], kind: DataType | None = None) -> Column:
    """Copy an array of values into a column.

    Args:
        name: of the column.
        array: ``(n,)``, or ``(n, length, …)``, which becomes lists.
        kind: what the values are, if known; it tells addresses from lists of bytes.

    Raises:
        TypeError: no table has such values.
    """
    if isinstance(kind, Octets):
        return _octets(name, array.reshape(-1, kind.length), kind, array.shape[:-1])
    if array.ndim > 1:
        inner = kind.element if isinstance(kind, Array) else kind
        return _lists(name, array, inner)
    if array.dtype.names is not None:
        return _structs(name, array, kind)
    match array.dtype.kind:
        case "b" | "i" | "u" | "f" if array.dtype.str[1:] in _FORMATS:
            native = array.dtype.newbyteorder("=")
            return Numbers(name, np.array(array, native, order="C", copy=True))
        case "S":
            return _texts(name, array)
        case "V":
            width = array.dtype.itemsize
            raw = np.frombuffer(array.tobytes(), np.uint8)
            return Blobs(name, raw.reshape(len(array), width))
    raise TypeError(f"column {name!r}: no table has values of numpy's {array.dtype}")


def _lists(name: str, array: NDArray[Any], inner: DataType | None) -> Lists:
    count, length = array.shape[:2]
    items = array.reshape(count * length, *array.shape[2:])
    return Lists(name, count, length, column("item", items, inner))


def _structs(name: str, array: NDArray[Any], kind: DataType | None) -> Structs:
    types = {field.name: field.type for field in kind.fields} if isinstance(kind, Record) else {}
    fields = tuple(column(each, array[each], types.get(each)) for each in array.dtype.names or ())
    return Structs(name, len(array), fields)


def _octets(name: str, rows: NDArray[Any], kind: Octets, lead: tuple[int, ...]) -> Column:
    """Return addresses as texts and other bytes as they are; more dimensions are lists of them."""
    raw = np.ascontiguousarray(rows, np.uint8)
    flat = _addresses(name, raw, _ADDRESSES[kind.role]) if kind.role in _ADDRESSES else None
    made: Column = Blobs(name, raw.copy()) if flat is None else flat
    for length in reversed(lead[1:]):
        made.name = "item"
        made = Lists(name, len(made) // length, length, made)
    return made


def _addresses(name: str, raw: NDArray[np.uint8], of: type[IPv4Address | IPv6Address]) -> Texts:
    # Few addresses occur many times, as a rule, and making the text of one takes a microsecond.
    different, which = np.unique(raw, axis=0, return_inverse=True)
    texts = np.array([str(of(row.tobytes())).encode() for row in different] or [b""])
    return _texts(name, texts[which.reshape(-1)] if len(raw) else texts[:0])


def _texts(name: str, array: NDArray[np.bytes_]) -> Texts:
    r"""Cut texts at their NUL; bytes that are no UTF-8 are written as ``\xff``."""
    width = array.dtype.itemsize
    bytes_of = np.frombuffer(array.tobytes(), np.uint8).reshape(len(array), width)
    ended = bytes_of == 0  # behind the first NUL is what was in the memory before
    lengths = np.where(ended.any(axis=1), ended.argmax(axis=1), width)
    data = bytes_of[np.arange(width) < lengths[:, None]]
    offsets = np.zeros(len(array) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if (data < 0x80).all():
        return Texts(name, offsets, data)
    whole, ends = data.tobytes(), offsets.tolist()
    pieces = [whole[a:b] for a, b in pairwise(ends)]
    valid = [piece.decode("utf-8", "backslashreplace").encode() for piece in pieces]
    offsets[1:] = np.cumsum([len(piece) for piece in valid])
    return Texts(name, offsets, np.frombuffer(b"".join(valid), np.uint8))


def items_of(column: Lists, at: int) -> Column:
    """Return item ``at`` of each list, as a column."""
    return _picked(column.items, np.arange(column.count) * column.length + at)


def _picked(column: Column, rows: NDArray[np.intp]) -> Column:
    match column:
        case Numbers():
            return Numbers(column.name, column.values[rows])
        case Blobs():
            return Blobs(column.name, column.values[rows])
        case Texts():
            begins, ends = column.offsets[rows], column.offsets[rows + 1]
            pairs = zip(begins.tolist(), ends.tolist(), strict=True)
            pieces = [column.data[a:b] for a, b in pairs]
            offsets = np.concatenate([[0], np.cumsum(ends - begins)]).astype(np.int64)
            return Texts(column.name, offsets, np.concatenate([column.data[:0], *pieces]))
        case Lists():
            inner = (rows[:, None] * column.length + np.arange(column.length)).reshape(-1)
            return Lists(column.name, len(rows), column.length, _picked(column.items, inner))
        case Structs():
            fields = tuple(_picked(field, rows) for field in column.fields)
            return Structs(column.name, len(rows), fields)
