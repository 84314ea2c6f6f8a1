"""Global variables that a program shares with user space.

They lie in one array that is mapped into memory: an access is a load or a store, with no look-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index
from typing import Any, Generic, TypeVar

from pyebpf.dsl.annotations import array_element, data_type
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.records import LENGTHS, ArrayField, CharsField, OctetsField
from pyebpf.errors import PyebpfError
from pyebpf.spec.bitfields import insert, limits
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import Address, Array, Bool, Chars, DataType, Field, Int, Octets, Record

V = TypeVar("V")
_WORD = Int(64)


class Global(MapDecl, Generic[V]):
    """A variable that all programs of a session and user space share: ``total = Global[u64](0)``.

    In a probe ``total.value`` is read and assigned like any variable, and ``+=``, ``-=``, ``|=``,
    ``&=``, ``^=`` are atomic. Outside, ``session[total].value`` is the same memory while the
    program runs. The type may be a number, bool, text, a pointer, a tuple, a record, or an array:
    ``slots = Global[FixedArray[u64]](array(16))``, ``name = Global[Char](chars(16))``.

    Args:
        initial: the first value; zeros without it. Records take a dict or a tuple of their fields,
            arrays a list, or ``array(n)`` for ``n`` zeros; text of zeros is ``chars(n)``, bytes are
            ``octets(n)``.

    Since:  Linux 5.5.
    """

    kind = "global"

    def __init__(self, initial: Any = None) -> None:
        self.initial = initial

    def data_type(self) -> DataType:
        """Return the variable's type."""
        args = self.type_arguments()
        kind = self._sized(args[0]) if args else None
        if kind is None:
            raise PyebpfError("Global needs a type with a size: Global[u64](0)")
        if kernel_fields(kind):
            raise PyebpfError(f"locks and timers are for Hash and Array; {kind} has one")
        return kind

    def _sized(self, hint: Any) -> DataType | None:
        """Return the type of a hint, with the length that the first value gives it."""
        element, given = array_element(hint), self.initial
        kind = data_type(hint)
        if element is not None:
            length = given.length if isinstance(given, ArrayField) else len(given or ())
            return Array(element, length) if length else None
        if isinstance(kind, Chars) and not kind.length and isinstance(given, CharsField):
            return Chars(given.length)
        if isinstance(kind, Octets) and not kind.length and isinstance(given, OctetsField):
            return Octets(kind.element, given.length)
        return kind if kind is None or kind.size else None

    def spec(self, name: str, cpus: int) -> MapSpec:
        """Return what the variable is, in the form of a map with this one value."""
        kind = self.data_type()
        zero = self.initial is None or isinstance(self.initial, LENGTHS)
        data = bytes(kind.size) if zero else packed(kind, self.initial)
        return MapSpec(name, self.kind, 0, kind.size, 1, value=kind, initial=data)

    @property
    def value(self) -> V:
        """The value now."""
        self._outside("value")

    @value.setter
    def value(self, value: V) -> None:
        self._outside("value =")

    def fetch_add(self, amount: int) -> V:
        """Add, and return what was there before. Since Linux 5.12."""
        self._outside("fetch_add()")

    def fetch_and(self, mask: int) -> V:
        """Keep the bits of ``mask``, and return what was there before. Since Linux 5.12."""
        self._outside("fetch_and()")

    def fetch_or(self, bits: int) -> V:
        """Set bits, and return what was there before. Since Linux 5.12."""
        self._outside("fetch_or()")

    def fetch_xor(self, bits: int) -> V:
        """Flip bits, and return what was there before. Since Linux 5.12."""
        self._outside("fetch_xor()")

    def exchange(self, value: V) -> V:
        """Store a value, and return what was there before. Since Linux 5.12."""
        self._outside("exchange()")

    def compare_exchange(self, expected: V, new: V) -> V:
        """Store ``new`` if ``expected`` is there; return what was there before. Since Linux 5.12.

        It was stored if the result equals ``expected``.
        """
        self._outside("compare_exchange()")


def packed(  # noqa: PLR0911 - one return for each kind of data
    kind: DataType, value: Any
) -> bytes:
    """Return the bytes of a value, without numpy, which a start does not wait for.

    Raises:
        PyebpfError: the value does not fit.
    """
    try:
        if isinstance(kind, Bool):
            return bytes([int(bool(value))])
        if isinstance(kind, Int):
            return index(value).to_bytes(kind.size, "little", signed=kind.signed)
        if isinstance(kind, Address):
            return packed(_WORD, value)
        if isinstance(kind, Chars):
            return _text(kind, value)
        if isinstance(kind, Octets):
            return _octets(kind, value)
        items = _items(kind, value)
    except (TypeError, OverflowError):
        raise PyebpfError(f"{value!r} is no initial value for {kind}") from None
    if isinstance(kind, Array):
        return b"".join(packed(kind.element, item) for item in items)
    out = bytearray(kind.size)
    for field, item in zip(kind.fields, items, strict=True):
        if field.bits:
            insert(out, field, _checked(field, index(item)))
        else:
            data = packed(field.type, item)
            out[field.offset : field.offset + len(data)] = data[::-1] if field.big else data
    return bytes(out)


def _checked(field: Field, number: int) -> int:
    low, high = limits(field)
    if not low <= number <= high:
        raise PyebpfError(f"{number} is no initial value for {field.bits} bits of {field.type}")
    return number


def _text(kind: Chars, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else bytes(value)
    if len(data) > kind.length:
        raise OverflowError
    return data.ljust(kind.length, b"\0")


def _octets(kind: Octets, value: Any) -> bytes:
    data = value if kind.role == "bytes" else getattr(value, "packed", value)
    if not isinstance(data, bytes) or len(data) != kind.length:
        raise TypeError
    return data


def _items(kind: Array | Record, value: Mapping[str, Any] | Sequence[Any]) -> list[Any]:
    if isinstance(kind, Record) and isinstance(value, Mapping):
        if {*value} != {field.name for field in kind.fields}:
            raise TypeError
        return [value[field.name] for field in kind.fields]
    wanted = kind.length if isinstance(kind, Array) else len(kind.fields)
    if len(value) != wanted:
        raise TypeError
    return list(value)
