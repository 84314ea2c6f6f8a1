"""Types of IR values: the data types of ``pyebpf.spec.types``, and pointers.

A pointer says which memory it points into, because that decides how it may be read: the kernel's
verifier lets a program load through some pointers and wants a helper for others.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from pyebpf.plain import Frozen
from pyebpf.spec.types import BOOL, I32, I64, U8, U32, U64, DataType


class Space(Enum):
    """Memory that a pointer may point into."""

    STACK = "stack"  #: this program's own stack slot
    MAP = "map"  #: the value of a map entry
    HANDLE = "handle"  #: a map itself, as helpers take it
    CODE = "code"  #: a function, as helpers that call it back take it
    CTX = "ctx"  #: the program's context
    BTF = "btf"  #: a kernel object the verifier knows the type of: direct loads
    KERNEL = "kernel"  #: a bare kernel address: ``probe_read_kernel``
    USER = "user"  #: a user-space address: ``probe_read_user``
    COPY = "copy"  #: a struct of the kernel's, copied out of a process: pointers in it lead there
    RING = "ring"  #: a reserved ring buffer record
    PACKET = "packet"  #: the data of a packet: loads and stores at checked places


class KernelRef(Frozen):
    """A type of the target's BTF, by id. ``name`` is its C spelling."""

    id: int
    name: str

    def __str__(self) -> str:
        return self.name


class Pointer(Frozen):
    """An address. ``to`` is what is there, None for bytes; ``nullable``: test it before use."""

    space: Space
    to: DataType | KernelRef | None = None
    nullable: bool = False
    size = 8
    align = 8

    def __str__(self) -> str:
        return f"{self.space.value}*{'?' if self.nullable else ''} {self.to or 'bytes'}"


class Void(Frozen):
    """No value."""

    size = 0

    def __str__(self) -> str:
        return "void"


Type: TypeAlias = DataType | Pointer | Void
VOID = Void()

__all__ = [
    "BOOL",
    "I32",
    "I64",
    "U8",
    "U32",
    "U64",
    "VOID",
    "DataType",
    "KernelRef",
    "Pointer",
    "Space",
    "Type",
    "Void",
]
