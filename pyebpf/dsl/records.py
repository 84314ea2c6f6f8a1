"""Records: one class that is a BPF struct, a numpy dtype and printed columns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.dsl.annotations import array_element, data_type, hints_of
from pyebpf.dsl.scalars import BigEndian
from pyebpf.errors import PyebpfError
from pyebpf.spec.types import (
    U8,
    U64,
    Array,
    Bool,
    Chars,
    DataType,
    Int,
    Octets,
    Record,
    overlaid,
)
from pyebpf.spec.types import record as lay_out

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        """Do nothing: only type checkers read it."""
        return lambda cls: cls


T = TypeVar("T")


class CharsField:
    """The field specifier that :func:`chars` makes."""

    def __init__(self, length: int) -> None:
        self.length = length


def chars(length: int) -> Any:
    """Give a text field its size in bytes.

    Written as a default: ``comm: Char = chars(16)``.

    Raises:
        PyebpfError: it is no number above 0.
    """
    if length < 1:
        raise PyebpfError(f"chars({length}): a text field needs at least 1 byte")
    return CharsField(length)


class OctetsField:
    """What :func:`octets` makes: a number of bytes."""

    def __init__(self, length: int) -> None:
        self.length = length


def octets(length: int) -> Any:
    """Give a field of bytes its size.

    Written as a default: ``mac: Bytes = octets(6)``.

    Raises:
        PyebpfError: it is no number above 0.
    """
    if length < 1:
        raise PyebpfError(f"octets({length}): a field of bytes needs at least 1")
    return OctetsField(length)


class ArrayField:
    """What :func:`array` makes: a length."""

    def __init__(self, length: int) -> None:
        self.length = length


def array(length: int) -> Any:
    """Give an array its length.

    Written as a default, ``slots: FixedArray[u32] = array(8)``: a field of a record, or in a probe
    a variable, which is all zeros then.

    Raises:
        PyebpfError: it is no number above 0.
    """
    if length < 1:
        raise PyebpfError(f"array({length}): an array needs at least 1 element")
    return ArrayField(length)


#: What stands for a length, and for zeros of it.
LENGTHS = (CharsField, OctetsField, ArrayField)


class BitsField:
    """What :func:`bits` makes: a number of bits."""

    def __init__(self, width: int) -> None:
        self.width = width


def bits(width: int) -> Any:
    """Give a number its size in bits: a bit-field, laid out as in C.

    Written as a default: ``kind: u32 = bits(7)``, ``seen: bool = bits(1)``.

    Raises:
        PyebpfError: it is no number from 1 to 64.
    """
    if not 1 <= width <= U64.bits:
        raise PyebpfError(f"bits({width}): a bit-field has 1 to 64 bits")
    return BitsField(width)


@dataclass_transform(kw_only_default=True, field_specifiers=(chars, array, octets, bits))
def union(cls: type[T]) -> type[T]:
    """Turn a class with annotated fields into a union: all fields lie at the same place.

    In a probe ``Name(a=1)`` sets one field; the bytes beyond it are 0.

    Raises:
        PyebpfError: a field's annotation is not a type with a size.
    """
    cls.__pyebpf_record__ = overlaid(_layout(cls))  # type: ignore[attr-defined]
    cls.__init__ = _refuse  # type: ignore[method-assign]
    return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(chars, array, octets, bits))
def record(cls: type[T]) -> type[T]:
    """Turn a class with annotated fields into a struct of the kernel side.

    Fields are laid out in order, each at its natural alignment, as the C compiler would. In a
    probe, ``Name(a=1, b=2)`` makes one; fields that are not given are 0.

    Raises:
        PyebpfError: a field's annotation is not a type with a size.
    """
    cls.__pyebpf_record__ = _layout(cls)  # type: ignore[attr-defined]
    cls.__init__ = _refuse  # type: ignore[method-assign]
    return cls


def _refuse(self: object, *_: object, **__: object) -> None:
    name = type(self).__name__
    raise PyebpfError(f"{name}(...) makes a record in a probe only; user space gets numpy records")


def _layout(cls: type) -> Record:
    frame = sys._getframe(2)  # noqa: SLF001 - the class may name types of the enclosing function
    hints = hints_of(cls, dict(frame.f_locals))
    members: list[tuple[str, DataType]] = []
    widths: dict[str, int] = {}
    big: list[str] = []
    for name, hint in hints.items():
        kind = data_type(hint)
        if isinstance(kind, Chars) and kind.length == 0:
            spec = cls.__dict__.get(name)
            if not isinstance(spec, CharsField):
                raise PyebpfError(f"{cls.__name__}.{name}: write `{name}: Char = chars(16)`")
            kind = Chars(spec.length)
        if isinstance(kind, Octets) and kind.length == 0:
            size = cls.__dict__.get(name)
            if not isinstance(size, OctetsField):
                raise PyebpfError(f"{cls.__name__}.{name}: write `{name}: Bytes = octets(6)`")
            kind = Octets(U8, size.length)
        element = array_element(hint)
        if element is not None:
            length = cls.__dict__.get(name)
            if not isinstance(length, ArrayField):
                raise PyebpfError(f"{cls.__name__}.{name}: write `{name}: … = array(8)`")
            kind = Array(element, length.length)
        if kind is None:
            raise PyebpfError(
                f"{cls.__name__}.{name}: {hint!r} is no type for a record; use u8 … i64, bool, "
                "Char, Ptr[…], FixedArray[…], a tuple of these, or another record"
            )
        members.append((name, kind))
        if BigEndian in getattr(hint, "__metadata__", ()):
            big.append(name)
        width = _width(cls, name, kind, hint)
        if width:
            widths[name] = width
    if not members:
        raise PyebpfError(f"{cls.__name__} has no fields: a record needs at least one")
    return lay_out(cls.__name__, members, bits=widths, big=big)


def _width(cls: type, name: str, kind: DataType, hint: Any) -> int:
    """Return how many bits a field has; 0 if it is no bit-field."""
    spec = cls.__dict__.get(name)
    if not isinstance(spec, BitsField):
        return 0
    most = 1 if isinstance(kind, Bool) else kind.bits if isinstance(kind, Int) else 0
    if BigEndian in getattr(hint, "__metadata__", ()):
        raise PyebpfError(f"{cls.__name__}.{name}: a bit-field has no byte order: write u16")
    if spec.width > most:
        has = f"{kind} has {most}" if most else f"{kind} is no number"
        raise PyebpfError(f"{cls.__name__}.{name}: bits({spec.width}) of {has}")
    return spec.width
