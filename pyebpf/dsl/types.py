"""Types of expressions in a probe: data types, and what has no value when the probe runs."""

from __future__ import annotations

from typing import Any, TypeAlias

from pyebpf.ir.types import KernelRef, Pointer, Space
from pyebpf.plain import Frozen
from pyebpf.spec.types import (
    BOOL,
    I64,
    U64,
    Address,
    Array,
    Bool,
    Chars,
    DataType,
    Int,
    Octets,
    Record,
)


class Static(Frozen):
    """A Python object known at compile time: a map, a function, a module, a class."""

    value: Any

    def __str__(self) -> str:
        value = self.value
        return getattr(value, "__name__", None) or type(value).__name__

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and other.value is self.value


class MapPointer(Pointer):
    """A map that was found in a map of maps; ``decl`` says what it is like."""

    decl: Any = None

    def __str__(self) -> str:
        return type(self.decl).__name__


class NoneType(Frozen):
    """``None``, and the value of a call that returns nothing."""

    def __str__(self) -> str:
        return "None"


class Maybe(Frozen):
    """A value or None: what a look-up gives. Must be tested before use."""

    inner: DataType | Pointer

    def __str__(self) -> str:
        return f"{self.inner} | None"


class Tuple(Frozen):
    """A tuple that is taken apart, or packed into a key, before the program runs."""

    items: tuple[ValueType, ...]

    def __str__(self) -> str:
        return f"({', '.join(str(item) for item in self.items)})"


class Place(Frozen):
    """A struct, union or array inside a kernel object: something whose members can be named."""

    to: KernelRef

    def __str__(self) -> str:
        return self.to.name


ValueType: TypeAlias = DataType | Pointer | Static | NoneType | Maybe | Tuple | Place
NONE = NoneType()
#: Memory that only this run of the program sees: a reserved record, a context, the packet at hand,
#: its own variables.
PRIVATE = (Space.RING, Space.CTX, Space.STACK, Space.PACKET)
#: Copies that an expression made: its next evaluation makes the next one in the same memory.
COPIES = (Space.STACK, Space.COPY)


def shown(kind: object) -> str:
    """Return a type as users write it, for messages: ``Ptr[task_struct]``.

    What lies in memory of our own is the thing itself to them; where a pointer leads, they say.
    """
    if isinstance(kind, Maybe):
        return f"{shown(kind.inner)} | None"
    if not isinstance(kind, Pointer):
        return str(kind)
    name = str(kind.to or "Any").removeprefix("struct ").removeprefix("union ")
    words = {Space.USER: "UserPtr", Space.KERNEL: "Ptr", Space.BTF: "Ptr"}
    return f"{words[kind.space]}[{name}]" if kind.space in words else name


def is_number(kind: ValueType) -> bool:
    """Tell whether a value of this type is an integer or a truth value."""
    return isinstance(kind, (Int, Bool))


def in_memory(kind: ValueType) -> bool:
    """Tell whether a value of this type is handled by its address."""
    return isinstance(kind, (Chars, Array, Record))


def is_entry(kind: object) -> bool:
    """Tell whether a value of this type is the entry of a map, or what stands for one."""
    return isinstance(kind, Pointer) and kind.space is Space.MAP


def has_items(kind: ValueType) -> bool:
    """Tell whether a value of this type has elements in memory: an array, or bytes."""
    return isinstance(kind, Array) and (not isinstance(kind, Octets) or kind.role == "bytes")


__all__ = [
    "BOOL",
    "I64",
    "NONE",
    "PRIVATE",
    "U64",
    "Address",
    "Array",
    "Bool",
    "Chars",
    "Int",
    "KernelRef",
    "MapPointer",
    "Maybe",
    "NoneType",
    "Octets",
    "Place",
    "Pointer",
    "Record",
    "Space",
    "Static",
    "Tuple",
    "ValueType",
    "has_items",
    "in_memory",
    "is_number",
    "shown",
]
