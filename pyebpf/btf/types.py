"""The nodes of a BTF graph, one class per kind.

A node refers to another by its type id; id 0 is ``void``. Nodes are values: frozen, hashable, equal
when their class and all their fields are.

Units:   ``size`` and ``offset`` in bytes, ``bit_offset``, ``bitfield_size`` and ``bits`` in bits.
Source:  ``Documentation/bpf/btf.rst`` and ``include/uapi/linux/btf.h`` of Linux.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from pyebpf.plain import Frozen


class Kind(IntEnum):
    """``BTF_KIND_*`` of ``include/uapi/linux/btf.h``."""

    VOID = 0
    INT = 1
    PTR = 2
    ARRAY = 3
    STRUCT = 4
    UNION = 5
    ENUM = 6
    FWD = 7
    TYPEDEF = 8
    VOLATILE = 9
    CONST = 10
    RESTRICT = 11
    FUNC = 12
    FUNC_PROTO = 13
    VAR = 14
    DATASEC = 15
    FLOAT = 16
    DECL_TAG = 17
    TYPE_TAG = 18
    ENUM64 = 19


#: Bits of :attr:`Int.encoding`.
SIGNED, CHAR, BOOL = 1, 2, 4

#: Kinds that say something about another type without changing its layout.
MODIFIERS = frozenset((Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG))
COMPOSITES = frozenset((Kind.STRUCT, Kind.UNION))
ENUMS = frozenset((Kind.ENUM, Kind.ENUM64))


class Node(Frozen):
    """A node, or a part of one."""


class Type(Node):
    """Any node that has a type id."""

    kind: ClassVar[Kind]


class Void(Type):
    """No type: the target of ``void *``, the result of a function without one."""

    kind = Kind.VOID


class Int(Type):
    """An integer, character or boolean. ``bits`` and ``offset`` (in bits) are of old bitfields."""

    kind = Kind.INT
    name: str
    size: int
    encoding: int = 0
    bits: int = 0
    offset: int = 0

    @property
    def signed(self) -> bool:
        """Whether the values can be negative."""
        return bool(self.encoding & SIGNED)


class Ptr(Type):
    """A pointer to ``type``."""

    kind = Kind.PTR
    type: int


class Array(Type):
    """``count`` elements of type ``element``; ``index`` is the type of an index."""

    kind = Kind.ARRAY
    element: int
    index: int
    count: int


class Member(Node):
    """A field of a struct or union. ``bitfield_size`` is 0 for a field that is no bitfield."""

    name: str
    type: int
    bit_offset: int
    bitfield_size: int = 0

    def __init__(self, name: str, type: int, bit_offset: int, bitfield_size: int = 0) -> None:  # noqa: A002
        # By far the most frequent node; this takes a third of the time of the general one.
        fields = self.__dict__
        fields["name"] = name
        fields["type"] = type
        fields["bit_offset"] = bit_offset
        fields["bitfield_size"] = bitfield_size


class Struct(Type):
    """A struct and its members."""

    kind = Kind.STRUCT
    name: str
    size: int
    members: tuple[Member, ...]


class Union(Type):
    """A union and its members."""

    kind = Kind.UNION
    name: str
    size: int
    members: tuple[Member, ...]


class Enumerator(Node):
    """One named value of an enum."""

    name: str
    value: int


class Enum(Type):
    """An enum whose values fit 32 bits."""

    kind = Kind.ENUM
    name: str
    size: int
    values: tuple[Enumerator, ...]
    signed: bool = False


class Fwd(Type):
    """A struct or union that is declared and not defined."""

    kind = Kind.FWD
    name: str
    is_union: bool = False


class Typedef(Type):
    """Another name for ``type``."""

    kind = Kind.TYPEDEF
    name: str
    type: int


class Volatile(Type):
    """``volatile``."""

    kind = Kind.VOLATILE
    type: int


class Const(Type):
    """``const``."""

    kind = Kind.CONST
    type: int


class Restrict(Type):
    """``restrict``."""

    kind = Kind.RESTRICT
    type: int


class Func(Type):
    """A function: ``type`` is its prototype; ``linkage`` 0 is static, 1 global, 2 extern."""

    kind = Kind.FUNC
    name: str
    type: int
    linkage: int = 0


class Param(Node):
    """A parameter. The last one of a variadic function has no name and type 0."""

    name: str
    type: int


class FuncProto(Type):
    """What a function takes and gives."""

    kind = Kind.FUNC_PROTO
    result: int
    params: tuple[Param, ...]


class Var(Type):
    """A global variable; ``linkage`` as in :class:`Func`."""

    kind = Kind.VAR
    name: str
    type: int
    linkage: int = 0


class SecVar(Node):
    """Where the variable ``type`` lies in a section."""

    type: int
    offset: int
    size: int


class DataSec(Type):
    """A data section and its variables."""

    kind = Kind.DATASEC
    name: str
    size: int
    vars: tuple[SecVar, ...]


class Float(Type):
    """A floating-point number."""

    kind = Kind.FLOAT
    name: str
    size: int


class DeclTag(Type):
    """A tag on ``type``, or on its member or parameter number ``component`` when that is not -1."""

    kind = Kind.DECL_TAG
    name: str
    type: int
    component: int = -1


class TypeTag(Type):
    """A tag on the type that a pointer points to, such as ``user`` or ``rcu``."""

    kind = Kind.TYPE_TAG
    name: str
    type: int


class Enum64(Type):
    """An enum with values that need 64 bits."""

    kind = Kind.ENUM64
    name: str
    size: int
    values: tuple[Enumerator, ...]
    signed: bool = False


_FLAVOUR = "___"


def essential(name: str) -> str:
    """Return ``name`` without its flavour: ``request___v5`` is a flavour of ``request``.

    The separator is the last run of exactly three underscores that has a character on each side.

    Source:  libbpf's rule for type and enumerator names.
    """
    end = len(name)
    while (end := name.rfind(_FLAVOUR, 0, end)) > 0:
        after = name[end + 3 : end + 4]
        if name[end - 1] != "_" and after not in ("", "_"):
            return name[:end]
        end += 2  # the next match may overlap this one: look one character further to the left
    return name
