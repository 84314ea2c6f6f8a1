"""Typed expressions about the memory of the kernel and of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.dsl.typed import Expr

if TYPE_CHECKING:
    from pyebpf.dsl.typed import MapUse, Range, Stmt
    from pyebpf.ir.nodes import FieldPath
    from pyebpf.ir.types import Space
    from pyebpf.spec.objects import CoreKind


class MemoryRead(Expr):
    """A value at an address; 0 if it cannot be read, or None if ``type`` is a ``Maybe``."""

    space: Space
    address: Expr


class StructCopy(Expr):
    """A pointer to a copy of a struct of the kernel's; all zeros if it cannot be read."""

    space: Space
    address: Expr
    size: int


class MemoryText(Expr):
    """Text at an address, up to its NUL; empty if it cannot be read."""

    space: Space
    address: Expr


class PlaceAddress(Expr):
    """The address of a struct, union or array in a kernel object."""

    base: Expr
    path: FieldPath


class Offset(Expr):
    """The pointer ``base`` moved by a number of bytes."""

    base: Expr
    amount: Expr


class ContainerOf(Expr):
    """The object that has ``member`` at ``path``."""

    member: Expr
    path: FieldPath


class ContextAddress(Expr):
    """The address of dynamic data of a tracepoint: ``word`` says where, ``after`` what from."""

    word: int
    after: int


class DynamicText(Expr):
    """Text of a tracepoint whose length varies: ``word`` says where, ``after`` what from."""

    word: int
    after: int


class CoreAnswer(Expr):
    """A number about an enumerator that the loader fills in."""

    kind: CoreKind
    path: FieldPath
    enumerator: str


class After(Expr):
    """A value that is computed after something else was done."""

    first: list[Stmt]
    value: Expr

    @property
    def range(self) -> Range | None:
        return self.value.range


class KfuncCall(Expr):
    """A call of a kernel function; ``prototype`` is the id of its type in the target's BTF."""

    name: str
    prototype: int
    arguments: tuple[Expr, ...]


class InMemory(Expr):
    """The address of a copy of a value on the stack."""

    value: Expr


class ConstantText(Expr):
    """The address of a constant text in read-only memory."""

    value: str


class VariableAddress(Expr):
    """The address of a kernel variable; per CPU, what its two helpers take.

    ``declared`` is the id of its type in the target's BTF, 0 if BTF does not describe it. ``weak``:
    the address is 0 where the kernel lacks it.
    """

    name: str
    declared: int
    weak: bool = False


class PerCpu(Expr):
    """The instance of a per-CPU variable on ``cpu``, without it on this CPU."""

    variable: VariableAddress
    cpu: Expr | None


class HelperCall(Expr):
    """A call of a helper by its name, with checked arguments."""

    helper: str
    arguments: tuple[Expr, ...]


class MapArgument(Expr):
    """A map, as helpers take it."""

    map: MapUse


class PlaceOf(Expr):
    """The address of a field or a variable, which is written there."""

    value: Expr


class Within(Expr):
    """A number that is ``most`` at most, as its range says; verifiers see that, too."""

    value: Expr
    most: int


class ContextPointer(Expr):
    """The context of the program, as helpers take it."""


class ResizedText(Expr):
    """Text in a place of another size: what has no room is cut off, the rest is zero."""

    value: Expr
