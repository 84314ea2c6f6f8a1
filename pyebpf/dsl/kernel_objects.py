"""What the kernel's objects are to a type checker; the bases of the classes that `stubs` writes.

Nothing here is ever made: at run time these classes only name what a probe may do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyebpf.dsl.outside import outside

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class KernelObject:
    """A struct or union of the kernel, or a pointer to one: its members are attributes."""

    def __getitem__(self, index: int) -> Self:
        """Return the object that lies ``index`` objects behind this one."""
        outside()

    def __bool__(self) -> bool:
        """Tell whether the pointer is not 0."""
        return outside()

    def __eq__(self, other: object) -> bool:
        """Compare addresses."""
        outside()

    __hash__ = object.__hash__

    def __add__(self, count: int) -> int:
        """Return the address that lies ``count`` bytes behind this one, as a number."""
        outside()

    def __sub__(self, other: int | KernelObject) -> int:
        """Return the address ``other`` bytes before, or the distance of two objects, in bytes."""
        outside()


class Pointer(int, Generic[T]):
    """A pointer of the kernel to something without members: a number with elements."""

    def __getitem__(self, index: int) -> T:
        """Return an element, read."""
        outside()


class KernelArray(Generic[T]):
    """An array in a kernel object: elements at constant places."""

    def __getitem__(self, index: int) -> T:
        """Return an element."""
        outside()


class Fields:
    """The record of a tracepoint. Its fields are attributes."""


class AnyFields(Fields):
    """The record of a tracepoint that was not named: it may have any field."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a context exists in a probe only; cannot read {name!r} here")


class ArrayOfAnyLength:
    """An array in the record of a tracepoint whose length varies: see ``addressof``."""
