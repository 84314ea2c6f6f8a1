"""The types that annotate probes: fixed-width integers, pointers, text and contexts.

To a type checker an integer is ``int``, so ordinary arithmetic checks. To the compiler it has a
width. A pointer is to a checker what it points to, and a context is its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeAlias, TypeVar

from pyebpf.errors import PyebpfError
from pyebpf.spec.types import I8, I16, I32, I64, U8, U16, U32, U64, Chars, Octets

if TYPE_CHECKING:
    from typing_extensions import TypeAliasType
    from typing_extensions import TypeVar as CheckedTypeVar

    from pyebpf.dsl.kernel_objects import AnyFields

u8: TypeAlias = Annotated[int, U8]
u16: TypeAlias = Annotated[int, U16]
u32: TypeAlias = Annotated[int, U32]
u64: TypeAlias = Annotated[int, U64]
i8: TypeAlias = Annotated[int, I8]
i16: TypeAlias = Annotated[int, I16]
i32: TypeAlias = Annotated[int, I32]
i64: TypeAlias = Annotated[int, I64]


class BigEndian:
    """Marks a number that a record keeps in the order of the network."""


#: Numbers in the order of the network, as fields of a record: reading one gives the number itself.
be16: TypeAlias = Annotated[int, U16, BigEndian]
be32: TypeAlias = Annotated[int, U32, BigEndian]
be64: TypeAlias = Annotated[int, U64, BigEndian]


class Text(str):
    """Text of a fixed size in a probe."""

    __slots__ = ()

    def read_user_str(self, address: u64) -> i64:
        """Fill the field from user memory, up to a NUL or the field's size.

        Returns the number of bytes with the NUL, or a negative error number; the field is empty
        then. Since Linux 5.5.
        """
        raise PyebpfError("read_user_str() works in a probe only")

    def read_kernel_str(self, address: u64) -> i64:
        """Fill the field from kernel memory, like :meth:`read_user_str`."""
        raise PyebpfError("read_kernel_str() works in a probe only")


#: Text of a fixed size, ``Char`` in a record: its size comes from :func:`pyebpf.chars`.
Char: TypeAlias = Annotated[Text, Chars(0)]

#: Bytes of a fixed number, ``Bytes`` in a record: how many comes from :func:`pyebpf.octets`.
Bytes: TypeAlias = Annotated[bytes, Octets(U8, 0)]

T = TypeVar("T")

if TYPE_CHECKING:
    # To a checker a pointer is what it points to: no class could have the members of its argument.
    Ptr = TypeAliasType("Ptr", T, type_params=(T,))
    """The address of a kernel object: ``Ptr[request]`` is C's ``struct request *``."""
    UserPtr = TypeAliasType("UserPtr", T, type_params=(T,))
    """The address of something in the memory of a process."""
else:

    class Ptr(Generic[T]):
        """The address of a kernel object: ``Ptr[request]`` is C's ``struct request *``.

        Members are read as attributes, through pointers at any depth: ``rq.q.disk.major``. A read
        through a bad address gives 0, as the kernel's safe reads do. ``Ptr[Point]`` of a record of
        our own has its fields, ``Ptr[u32]`` its elements: ``p[0]``. Exists in probes only.
        """

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a Ptr exists in a probe only; cannot read {name!r} here")

        def __getitem__(self, index: int) -> Any:
            raise PyebpfError("a Ptr exists in a probe only; cannot read its elements here")

    class UserPtr(Ptr[T]):
        """The address of something in the memory of a process: a ``Ptr`` that is read as such.

        Pointers that are found there point there too. Exists in probes only.
        """


class FixedArray(Generic[T]):
    """``n`` values of one type, one after the other: ``slots: FixedArray[u32] = array(8)``.

    A field of a record, or a local variable of a probe. An index out of range ends the probe.
    """

    def __len__(self) -> int:
        raise PyebpfError("a FixedArray exists in a probe only")

    def __getitem__(self, index: int) -> T:
        raise PyebpfError("a FixedArray exists in a probe only")

    def __setitem__(self, index: int, value: T) -> None:
        raise PyebpfError("a FixedArray exists in a probe only")

    def __iter__(self) -> Iterator[T]:
        raise PyebpfError("a FixedArray exists in a probe only")

    def __contains__(self, value: object) -> bool:
        raise PyebpfError("a FixedArray exists in a probe only")


if TYPE_CHECKING:
    F = CheckedTypeVar("F", default=AnyFields)
    TracepointContext = TypeAliasType("TracepointContext", F, type_params=(F,))
    """The record of a tracepoint: its fields, as tracefs lists them, are attributes."""
else:

    class TracepointContext(Generic[T]):
        """The record of a tracepoint: its fields, as tracefs lists them, are attributes.

        ``TracepointContext[sched_switch]``, with a name of :mod:`pyebpf.tracepoints`, says to a
        type checker which fields these are.
        """

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(f"a context exists in a probe only; cannot read {name!r} here")


class KprobeContext:
    """The registers at a probe of the kernel, by their names: ``ctx.ip``, ``ctx.sp``, ``ctx.di``.

    ``ip`` and ``sp`` are there on every machine, the others as ``struct pt_regs`` calls them.
    """

    ip: u64
    sp: u64

    def __getattr__(self, name: str) -> u64:
        raise AttributeError(f"a context exists in a probe only; cannot read {name!r} here")


class UprobeContext(KprobeContext):
    """The registers of a process at a probe of a program, like :class:`KprobeContext`."""


class PerfEventContext(KprobeContext):
    """What a perf event saw: the registers, and its own numbers.

    ``sample_period`` counts events since the last one; ``addr`` is what a memory event is about.
    """

    sample_period: u64
    addr: u64


class IterContext:
    """Where an iterator is, and where it writes to.

    Attributes:
        session_id: the same during one visit of everything.
        seq_num: how many objects were visited before.
    """

    session_id: u64
    seq_num: u64

    def emit(self, value: object) -> None:
        """Write a record, for ``session.read(probe)``; an iterator writes one type of records."""
        raise PyebpfError("emit() works in a probe only")


class RawTracepointContext:
    """The arguments of a raw tracepoint, uninterpreted: ``ctx.args[0]`` is 64 bits wide."""

    args: tuple[u64, ...]
