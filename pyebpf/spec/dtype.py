"""Data types as numpy dtypes, and single values between Python and the kernel's bytes.

numpy sees the same bytes as the kernel: offsets are explicit, padding is part of the item size, the
byte order is the machine's. Bit-fields, which numpy does not have, become columns of their own
in a copy (:func:`decoded`). In Python a value is an ``int``, ``bool``, ``str`` (text up to its NUL,
bytes that are no UTF-8 kept as surrogates), ``tuple`` (arrays and tuple records) or
:class:`RecordValue`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pyebpf.spec.bitfields import has_bits, insert, limits, word_of
from pyebpf.spec.kernel_fields import KERNEL_FIELDS
from pyebpf.spec.octets import octets_value
from pyebpf.spec.types import Address, Array, Bool, Chars, DataType, Field, Int, Octets, Record

_ORDER: Literal["little", "big"] = "little" if sys.byteorder == "little" else "big"
_ADDRESS = Int(64)


class RecordValue(Mapping[str, Any]):
    """One record, copied out: its fields by attribute or by name.

    It equals a dict of the same fields. Hashable and ordered by its values in field order, so that
    it can be a key.
    """

    __slots__ = ("_kind", "_values")

    def __init__(self, kind: Record, values: tuple[Any, ...]) -> None:
        self._kind = kind
        self._values = values

    def __getitem__(self, name: str) -> Any:
        for field, value in zip(self._kind.fields, self._values, strict=True):
            if field.name == name:
                return value
        raise KeyError(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle look for protocols before there are slots
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            names = ", ".join(self)
            message = f"{self._kind.name} has no field {name!r}; its fields are {names}"
            raise AttributeError(message) from None

    def mapped(self, change: Callable[[Any], Any]) -> RecordValue:
        """Return the record with each value changed."""
        return RecordValue(self._kind, tuple(map(change, self._values)))

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self._kind.fields)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self._values)

    def __lt__(self, other: RecordValue) -> bool:
        return self._values < other._values

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.items())
        return f"{self._kind.name}({fields})"

    def __reduce__(self) -> tuple[type[RecordValue], tuple[Record, tuple[Any, ...]]]:
        return RecordValue, (self._kind, self._values)


@cache
def numpy_dtype(kind: DataType) -> np.dtype[Any]:
    """Return the dtype with the same bytes as ``kind``.

    A bit-field is the whole word that it lies in.

    Shape:  an :class:`Array` gives a subarray dtype: numpy appends its length to the array's shape.
    """
    match kind:
        case Int():
            return np.dtype(f"{'i' if kind.signed else 'u'}{kind.size}")
        case Bool():
            return np.dtype(np.bool_)
        case Chars():
            return np.dtype(f"S{kind.length}")
        case Array():
            element = numpy_dtype(kind.element)
            # One subarray of all dimensions: numpy does not look inside one that holds another.
            return np.dtype((element.base, (kind.length, *element.shape)))
        case Record():
            return _record_dtype(kind)
        case Address():
            return np.dtype(np.uint64)


def _record_dtype(kind: Record) -> np.dtype[Any]:
    words = [word_of(field) if field.bits else None for field in kind.fields]
    pairs = list(zip(kind.fields, words, strict=True))
    return np.dtype(
        {
            "names": [field.name for field in kind.fields],
            "formats": [f"u{word.size}" if word else _field_dtype(f) for f, word in pairs],
            "offsets": [word.offset if word else field.offset for field, word in pairs],
            "itemsize": kind.size,
        }
    )


def _field_dtype(field: Field) -> np.dtype[Any]:
    kind = numpy_dtype(field.type)
    return kind.newbyteorder(">") if field.big else kind


@cache
def decoded_dtype(kind: DataType) -> np.dtype[Any]:
    """Return the dtype of :func:`decoded`: that of ``kind``, but for bit-fields."""
    if not has_bits(kind):
        return numpy_dtype(kind)
    if isinstance(kind, Array):
        element = decoded_dtype(kind.element)
        return np.dtype((element.base, (kind.length, *element.shape)))
    assert isinstance(kind, Record)
    return np.dtype([(field.name, decoded_dtype(field.type)) for field in kind.fields])


@cache
def padding(dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Tell which bytes of a dtype belong to no field.

    Copies of numpy's have anything there, and to the kernel it is part of a key.

    Shape:  ``(dtype.itemsize,)``.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.tile(padding(base), int(np.prod(shape)))
    if dtype.fields is None:
        return np.zeros(dtype.itemsize, np.bool_)
    free = np.ones(dtype.itemsize, np.bool_)
    for field, offset, *_ in dtype.fields.values():
        free[offset : offset + field.itemsize] &= padding(field)
    return free


def records(kind: DataType, data: bytes) -> NDArray[Any]:
    """Return bytes as an array of what they hold.

    Shape:  ``(n,)``, n ≥ 0.
    """
    return decoded(kind, np.frombuffer(data, numpy_dtype(kind)))


def decoded(kind: DataType, array: NDArray[Any]) -> NDArray[Any]:
    """Return values with a column for each bit-field: a copy, or the same array without any.

    Args:
        kind: the type of the values.
        array: them, of the dtype of :func:`numpy_dtype`.
    """
    if not has_bits(kind):
        return array
    if isinstance(kind, Array):
        return decoded(kind.element, array)
    assert isinstance(kind, Record)
    out = np.empty(array.shape, decoded_dtype(kind))
    for field in kind.fields:
        column = array[field.name]
        out[field.name] = _bits_of(field, column) if field.bits else decoded(field.type, column)
    return out


def _bits_of(field: Field, words: NDArray[Any]) -> NDArray[Any]:
    word = word_of(field)
    low: NDArray[Any] = words >> np.array(word.shift, words.dtype)
    low = low & np.array(word.mask, words.dtype)
    if limits(field)[0] == 0:
        return low
    unused = np.int64(64 - field.bits)
    signed: NDArray[Any] = low.astype(np.int64) << unused >> unused
    return signed


def encoded(kind: DataType, values: NDArray[Any]) -> NDArray[Any]:
    """Return the opposite of :func:`decoded`.

    Raises:
        ValueError: a number does not fit its bits.
    """
    if not has_bits(kind):
        return values
    if isinstance(kind, Array):
        return encoded(kind.element, values)
    assert isinstance(kind, Record)
    out = np.zeros(values.shape, numpy_dtype(kind))
    for field in kind.fields:
        column = values[field.name]
        if not field.bits:
            out[field.name] = encoded(field.type, column)
            continue
        low, high = limits(field)
        if column.size and not low <= int(column.min()) <= int(column.max()) <= high:
            raise ValueError(f"{kind}.{field.name}: {field.bits} bits hold {low} to {high}")
        word, words = word_of(field), out[field.name]
        mask, shift = (np.array(number, words.dtype) for number in (word.mask, word.shift))
        words &= ~(mask << shift)
        words |= (column.astype(words.dtype) & mask) << shift
    return out


def pack(  # noqa: PLR0911 - one return for each kind of data
    kind: DataType, value: object, where: str = "value"
) -> bytes:
    """Return the bytes of ``value`` as the kernel holds it; padding and unused text are zero.

    Args:
        kind: the type to pack as.
        value: an integer (numpy's too), ``bool``, ``str`` or ``bytes``, a sequence, or for a record
            a tuple in field order, a mapping, or any object with the fields as attributes.
        where: what the value is, for messages.

    Raises:
        TypeError: the value is of another kind.
        ValueError: it does not fit: out of range, too long, or fields missing.
    """
    match kind:
        case Int():
            return _pack_int(kind, kind, value, where)
        case Address():
            return _pack_int(_ADDRESS, kind, value, where)
        case Bool():
            return bytes([_truth(value, where)])
        case Chars():
            return _pack_chars(kind, value, where)
        case Octets():
            return _pack_octets(kind, value, where)
        case Array():
            return _pack_array(kind, value, where)
        case Record():
            return _pack_record(kind, value, where)


def _pack_int(bounds: Int, kind: DataType, value: object, where: str) -> bytes:
    try:
        number = index(value)  # type: ignore[arg-type]  # refusing what is no integer is the purpose
    except TypeError:
        raise TypeError(f"{where}: {kind} takes an integer, not {_described(value)}") from None
    if not bounds.low <= number <= bounds.high:
        message = (
            f"{where}: {number} does not fit {kind}, which holds {bounds.low} to {bounds.high}"
        )
        raise ValueError(message)
    return number.to_bytes(bounds.size, _ORDER, signed=bounds.signed)


def _bits(field: Field, value: object, where: str) -> int:
    if isinstance(field.type, Bool):
        return int(_truth(value, where))
    assert isinstance(field.type, Int)
    number = int.from_bytes(
        _pack_int(field.type, field.type, value, where), _ORDER, signed=field.type.signed
    )
    low, high = limits(field)
    if not low <= number <= high:
        raise ValueError(f"{where}: {number} does not fit {field.bits} bits: {low} to {high}")
    return number


def _truth(value: object, where: str) -> bool:
    if isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{where}: bool takes True or False, not {_described(value)}")


def _pack_chars(kind: Chars, value: object, where: str) -> bytes:
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogateescape")
    elif isinstance(value, bytes | bytearray | memoryview):
        text = bytes(value)
    else:
        raise TypeError(f"{where}: {kind} takes str or bytes, not {_described(value)}")
    if len(text) > kind.length:
        raise ValueError(f"{where}: {len(text)} bytes do not fit {kind}: {text[:40]!r}")
    return text.ljust(kind.length, b"\0")


def _pack_octets(kind: Octets, value: object, where: str) -> bytes:
    classes: dict[str, type[Any]] = {"IPv4Address": IPv4Address, "IPv6Address": IPv6Address}
    wanted = classes.get(kind.role)
    if wanted is not None and isinstance(value, wanted):
        value = value.packed
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        value = value.tobytes()
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{where}: {kind} takes {kind.role}, not {_described(value)}")
    if len(value) != kind.length:
        raise ValueError(f"{where}: {kind} takes {kind.length} bytes, not {len(value)}")
    return bytes(value)


def _pack_array(kind: Array, value: object, where: str) -> bytes:
    if not isinstance(value, Sequence | np.ndarray) or isinstance(value, str):
        raise TypeError(f"{where}: {kind} takes a sequence, not {_described(value)}")
    if len(value) != kind.length:
        raise ValueError(f"{where}: {kind} takes {kind.length} elements, not {len(value)}")
    return b"".join(pack(kind.element, item, f"{where}[{i}]") for i, item in enumerate(value))


def _pack_record(kind: Record, value: object, where: str) -> bytes:
    out = bytearray(kind.size)
    if kind in KERNEL_FIELDS and value is _KERNELS:
        return bytes(out)
    for field, item in zip(kind.fields, _members(kind, value, where), strict=True):
        if field.bits:
            insert(out, field, _bits(field, item, f"{where}.{field.name}"))
            continue
        packed = pack(field.type, item, f"{where}.{field.name}")
        packed = packed[::-1] if field.big else packed
        out[field.offset : field.offset + len(packed)] = packed
    return bytes(out)


def _members(kind: Record, value: object, where: str) -> list[Any]:
    """Take ``value`` apart, in field order."""
    names = [field.name for field in kind.fields]
    if isinstance(value, np.void) and value.dtype.names:
        value = {name: value[name] for name in value.dtype.names}
    if isinstance(value, Mapping):
        _check_names(kind, names, list(value), where)
        return [value.get(name, _KERNELS) for name in names]
    if isinstance(value, tuple | list):
        if len(value) != len(names):
            message = f"{where}: {kind} takes {len(names)} fields, not {len(value)}"
            raise ValueError(message)
        return list(value)
    if not kind.is_tuple and all(hasattr(value, name) for name in names):
        return [getattr(value, name) for name in names]
    wanted = "a tuple" if kind.is_tuple else "a tuple, a mapping or an object with its fields"
    raise TypeError(f"{where}: {kind} takes {wanted}, not {_described(value)}")


#: Stands for a field that the kernel keeps for itself, where none is given.
_KERNELS: Any = object()


def _check_names(kind: Record, names: list[str], given: list[Any], where: str) -> None:
    optional = {field.name for field in kind.fields if field.type in KERNEL_FIELDS}
    missing = [name for name in names if name not in given and name not in optional]
    unknown = [str(name) for name in given if name not in names]
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] * bool(missing)
        faults += [f"has no field {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"{where}: {kind} {' and '.join(faults)}")


def _described(value: object) -> str:
    return f"{type(value).__name__} {value!r:.60}"


def unpack(kind: DataType, data: bytes) -> Any:
    """Return the Python value of the kernel's bytes.

    Raises:
        ValueError: ``data`` has another size than ``kind``.
    """
    if len(data) != kind.size:
        raise ValueError(f"{kind} takes {kind.size} bytes, not {len(data)}")
    if isinstance(kind, Int):
        return int.from_bytes(data, _ORDER, signed=kind.signed)
    base, shape = numpy_dtype(kind).base, numpy_dtype(kind).shape
    return python_values(kind, decoded(kind, np.ndarray((1, *shape), base, data)))[0]


def python_values(kind: DataType, array: NDArray[Any]) -> list[Any]:
    """Return the elements of an array of ``kind``, as :func:`decoded` gives it, as Python values.

    Shape:  ``(n,)`` (``(n, length)`` for an :class:`Array`) gives ``n`` values.
    Cost:   about 20 ns for an integer, 1 µs for a record with text.
    """
    values = array.tolist()
    convert = converter(kind)
    return values if convert is None else [convert(value) for value in values]


@cache
def converter(kind: DataType) -> Callable[[Any], Any] | None:
    """Return what makes our Python value of what ``tolist`` gives; None where it is the same."""
    match kind:
        case Chars():
            return _text
        case Octets():
            return lambda value: octets_value(kind.role, bytes(value))
        case Array():
            element = converter(kind.element)
            return _items if element is None else lambda value: tuple(map(element, _items(value)))
        case Record():
            return _record_converter(kind)
        case _:
            return None


def _record_converter(kind: Record) -> Callable[[Any], Any]:
    converters = [converter(field.type) for field in kind.fields]
    if kind.is_tuple and not any(converters):
        return _tuple

    def convert(value: tuple[Any, ...]) -> Any:
        pairs = zip(converters, value, strict=True)
        values = tuple(item if one is None else one(item) for one, item in pairs)
        return values if kind.is_tuple else RecordValue(kind, values)

    return convert


def _tuple(value: Any) -> tuple[Any, ...]:
    # ``tolist`` leaves numpy's own records in an array that is a field of a record.
    return value if isinstance(value, tuple) else tuple(value)


def _items(value: Any) -> tuple[Any, ...]:
    # An array that is a field of a record is still numpy's.
    return tuple(value.tolist() if isinstance(value, np.ndarray) else value)


def _text(value: bytes) -> str:
    # What follows the NUL is left from earlier use of the memory.
    return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")
