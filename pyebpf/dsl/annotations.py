"""From what stands in an annotation to the type it means."""

from __future__ import annotations

import sys
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pyebpf.dsl.scalars import FixedArray, Ptr, UserPtr
from pyebpf.kernel import KernelType
from pyebpf.spec.types import (
    BOOL,
    IPV4,
    IPV6,
    Address,
    Bool,
    Chars,
    DataType,
    Int,
    Octets,
    Record,
    record,
)

#: By name: to import the module takes time at every start.
_IP = {"IPv4Address": IPV4, "IPv6Address": IPV6}


def data_type(hint: Any) -> DataType | None:
    """Return the data type that an annotation means, or None if it means none.

    ``tuple[u32, u64]`` is a struct of two members; a bare ``int`` has no width and means none.
    """
    if getattr(hint, "__module__", "") == "ipaddress":
        return _IP.get(hint.__name__)
    if hint is bool:
        return BOOL
    origin = get_origin(hint)
    if origin is Annotated:
        return next(
            (m for m in hint.__metadata__ if isinstance(m, (Int, Chars, Bool, Octets))), None
        )
    for pointer in (Ptr, UserPtr):
        if origin is pointer or hint is pointer:
            return Address(pointee(hint), pointer is UserPtr, _own_pointee(hint))
    if origin is tuple:
        return _tuple(get_args(hint))
    made = getattr(hint, "__pyebpf_record__", None)
    return made if isinstance(made, Record) else None


def array_element(hint: Any) -> DataType | None:
    """Return the element type of ``FixedArray[…]``; None if the annotation is no array."""
    args = get_args(hint)
    return data_type(args[0]) if get_origin(hint) is FixedArray and args else None


def pointee(hint: Any) -> str:
    """Return the kernel type that ``Ptr[…]`` names; empty for untyped memory."""
    args = get_args(hint)
    return args[0].kernel_name if args and isinstance(args[0], KernelType) else ""


def _own_pointee(hint: Any) -> DataType | None:
    args = get_args(hint)
    return data_type(args[0]) if args and not isinstance(args[0], KernelType) else None


def _tuple(args: tuple[Any, ...]) -> Record | None:
    kinds = [data_type(arg) for arg in args]
    members = [(f"_{i}", kind) for i, kind in enumerate(kinds) if kind is not None]
    if not members or len(members) != len(kinds):
        return None
    name = "tuple_" + "_".join(_mangle(kind) for _, kind in members)
    return record(name, members, is_tuple=True)


def _mangle(kind: DataType) -> str:
    return "".join(c if c.isalnum() else "_" for c in str(kind)).strip("_")


def hints_of(cls: type, local: dict[str, Any]) -> dict[str, Any]:
    """Return what the annotations of a class mean, as ``get_type_hints`` of the standard library.

    That calls ``compile()`` for each, whose first call makes a class of every kind of node of
    Python's syntax: a millisecond of the start of a tool.

    Args:
        cls: the class.
        local: names besides those of its module.
    """
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = getattr(sys.modules.get(base.__module__), "__dict__", {})
        for name, text in getattr(base, "__annotations__", {}).items():
            found[name] = eval(text, names, local) if isinstance(text, str) else text  # noqa: S307
    if any(map(_is_open, found.values())):
        return get_type_hints(cls, localns=local, include_extras=True)
    return found


def _is_open(hint: Any) -> bool:
    """Tell whether there is still a text in what an annotation means."""
    # A ForwardRef by name: since Python 3.14 it comes from a module that imports `ast`.
    is_open = isinstance(hint, (str, NoneType)) or type(hint).__name__ == "ForwardRef"
    return is_open or any(map(_is_open, get_args(hint)))
