"""Data types shared by the compiler, the loader and the views. Pure data; numpy is not imported.

One description serves as the type of a value in the compiler, as BTF in the object file, and as the
numpy dtype of a view (``pyebpf.spec.dtype``). Sizes and offsets are in bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Int(Frozen):
    """A fixed-width integer: ``bits`` is 8, 16, 32 or 64."""

    bits: int
    signed: bool = False

    @property
    def size(self) -> int:
        return self.bits // 8

    @property
    def align(self) -> int:
        return self.size

    @property
    def low(self) -> int:
        """The least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest value."""
        return (1 << (self.bits - self.signed)) - 1

    def wrap(self, value: int) -> int:
        """Return ``value`` as this width holds it."""
        value &= (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value >> (self.bits - 1) else value

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


class Bool(Frozen):
    """A truth value: one byte in memory, 0 or 1."""

    size = 1
    align = 1

    def __str__(self) -> str:
        return "bool"


class Chars(Frozen):
    """``length`` bytes of text, NUL-terminated when shorter."""

    length: int
    align = 1

    @property
    def size(self) -> int:
        return self.length

    def __str__(self) -> str:
        return f"char[{self.length}]"


class Array(Frozen):
    """``length`` elements of one type, one after the other."""

    element: DataType
    length: int

    @property
    def size(self) -> int:
        return self.element.size * self.length

    @property
    def align(self) -> int:
        return self.element.align

    def __str__(self) -> str:
        return f"{self.element}[{self.length}]"


class Octets(Array):
    """Bytes that belong together and do not change: Python's ``bytes``, or an IP address.

    ``role`` is ``"bytes"``, ``"IPv4Address"`` or ``"IPv6Address"``; addresses are in network order.
    """

    role: str = "bytes"

    @property
    def align(self) -> int:
        return 1 if self.role == "bytes" else 4

    def __str__(self) -> str:
        return f"bytes[{self.length}]" if self.role == "bytes" else self.role


class Field(Frozen):
    """A member of a record.

    A bit-field has ``bits`` bits, from bit ``shift`` of the number of its type at ``offset``;
    ``pyebpf.spec.bitfields`` has the rest.
    """

    name: str
    type: DataType
    offset: int
    bits: int = 0
    shift: int = 0
    #: The number is kept in the order of the network, its high byte first.
    big: bool = False


class Record(Frozen):
    """A struct. Padding is explicit in the offsets; ``size`` includes the tail padding."""

    name: str
    fields: tuple[Field, ...]
    size: int
    align: int
    #: A tuple used as key or value: its fields are ``_0``, ``_1``, … and Python sees a tuple.
    is_tuple: bool = False
    #: All fields lie at the same place.
    is_union: bool = False

    def field(self, name: str) -> Field | None:
        """Return the member called ``name``, or None."""
        return next((f for f in self.fields if f.name == name), None)

    def __str__(self) -> str:
        if self.is_tuple:
            return f"({', '.join(str(f.type) for f in self.fields)})"
        return self.name


class Address(Frozen):
    """A 64-bit address kept as data: the value of a pointer in a map key or a record.

    ``struct`` names the kernel type it points to (``"request"``), or is empty for untyped memory.
    ``to`` is our own type that it points to; ``user`` tells that it points into a process.
    """

    struct: str = ""
    user: bool = False
    to: DataType | None = None
    size = 8
    align = 8

    def __str__(self) -> str:
        return f"{'User' * self.user}Ptr[{self.struct or self.to or 'void'}]"


DataType: TypeAlias = Int | Bool | Chars | Array | Record | Address

U8, U16, U32, U64 = Int(8), Int(16), Int(32), Int(64)
I8, I16, I32, I64 = Int(8, True), Int(16, True), Int(32, True), Int(64, True)
BOOL = Bool()
IPV4, IPV6 = Octets(U8, 4, "IPv4Address"), Octets(U8, 16, "IPv6Address")


def record(
    name: str,
    members: list[tuple[str, DataType]],
    *,
    is_tuple: bool = False,
    bits: Mapping[str, int] | None = None,
    big: Collection[str] = (),
) -> Record:
    """Lay ``members`` out as the C compiler would: each at its alignment, the tail padded.

    Args:
        name: of the record.
        members: names and types.
        is_tuple: whether Python sees a tuple.
        bits: how many bits a member has, of those that are bit-fields.
        big: the members that are numbers in the order of the network.
    """
    at, align, fields = 0, 1, []  # ``at`` counts bits
    for member, kind in members:
        width, unit = (bits or {}).get(member, 0), kind.size * 8
        if not width or at // unit != (at + width - 1) // unit:
            at = _round_up(at, kind.align * 8)
        start = at // unit * unit if width else at
        fields.append(Field(member, kind, start // 8, width, at - start, member in big))
        at += width or unit
        align = max(align, kind.align)
    return Record(name, tuple(fields), _round_up(at, align * 8) // 8, align, is_tuple)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def overlaid(kind: Record) -> Record:
    """Return a record as a union: every field at the start, as large as the largest."""
    fields = tuple(field.replace(offset=0, shift=0) for field in kind.fields)
    size = max(field.type.size for field in fields)
    return kind.replace(fields=fields, size=_round_up(size, kind.align), is_union=True)
