"""Names and annotations of stubs: how a checker spells what a probe sees."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import points_to_text
from pyebpf.dsl.types import Bool, Chars, Int, KernelRef, Place, Pointer, Space

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.dsl.check.kernel_types import Kernel
    from pyebpf.dsl.types import ValueType

ANY = "_Any"
_PLAIN: dict[type, str] = {Bool: "_bool", Int: "_int", Chars: "_Text"}

#: What the annotations are made of, under names that no star import takes along and that no name
#: of the kernel hides. ``_k`` is the module of types: a member often has the name of its type.
PRELUDE = """\
from builtins import bool as _bool, int as _int, str as _str
from typing import Any as _Any, Final as _F, TypeAlias as _TypeAlias

import pyebpf_stubs.types as _k
from pyebpf.dsl.kernel_objects import (
    ArrayOfAnyLength as _ArrayOfAnyLength,
    Fields as _Fields,
    KernelArray as _Array,
    KernelObject as _Object,
    Pointer as _Pointer,
)
from pyebpf.dsl.scalars import Ptr as _Ptr, Text as _Text, UserPtr as _UserPtr
"""


def python_name(name: str) -> str:
    """Return a name of the kernel as a name of Python."""
    made = re.sub(r"\W", "_", name, flags=re.ASCII)
    return f"{made}_" if keyword.iskeyword(made) or not made.isidentifier() else made


def is_writable(name: str) -> bool:
    """Tell whether Python code can say the name at all: ``x.in`` is no expression."""
    return name.isidentifier() and not keyword.iskeyword(name)


def annotation(kind: ValueType | None, kernel: Kernel, member_type: Callable[[int], str]) -> str:
    """Return the annotation of a value.

    Args:
        kind: what a probe gets when it reads the value; None if it cannot be read.
        kernel: where the types of ``kind`` are.
        member_type: returns the class of a struct or union, by its id in BTF.
    """
    if isinstance(kind, Pointer):
        return _pointer(kind, kernel, member_type)
    if isinstance(kind, Place):
        found = kernel.element(kind.to)
        if found is None:
            return member_type(kind.to.id)
        element = kernel.value(found[0].id, Space.KERNEL)
        return f"_Array[{annotation(element, kernel, member_type)}]"
    return _PLAIN.get(type(kind), ANY)


def _pointer(kind: Pointer, kernel: Kernel, member_type: Callable[[int], str]) -> str:
    to = kind.to
    if not isinstance(to, KernelRef):
        return "_int"
    if kernel.has_members(to):
        word = "_UserPtr" if kind.space is Space.USER else "_Ptr"
        return f"{word}[{member_type(to.id)}]"
    if points_to_text(kind):
        return ANY  # a number with elements, and text where text is wanted
    inside = kernel.value(to.id, kind.space)
    if not isinstance(inside, (Bool, Int, Pointer)):
        return "_int"  # it has no elements that could be read
    return f"_Pointer[{annotation(inside, kernel, member_type)}]"
