"""What a probe says about memory: reads, casts, and questions about the kernel's types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from pyebpf.dsl.builtins import special
from pyebpf.dsl.kernel_objects import KernelObject
from pyebpf.dsl.outside import outside
from pyebpf.dsl.scalars import Ptr, Text

if TYPE_CHECKING:
    from typing_extensions import TypeAliasType, TypeForm

# A pointer (``Ptr[…]``) to an object with members is that object to a checker. Of other pointers it
# would only see the number, which has no elements: anything goes there.
K = TypeVar("K", bound=KernelObject)
T = TypeVar("T")


@overload
def read_kernel(kind: TypeForm[K], address: Any) -> K: ...
@overload
def read_kernel(kind: TypeForm[K], address: Any, default: None) -> K | None: ...
@overload
def read_kernel(kind: TypeAliasType, address: Any, default: object = 0) -> Any: ...
@overload
def read_kernel(kind: TypeForm[T], address: Any) -> T: ...
@overload
def read_kernel(kind: TypeForm[T], address: Any, default: None) -> T | None: ...
@special("read_kernel")
def read_kernel(kind: object, address: Any, default: object = 0) -> Any:
    """Return a value from kernel memory: ``read_kernel(u32, address)``.

    Args:
        kind: what is there: ``u8`` to ``i64``, ``bool``, ``Ptr[…]``, a record, or a tuple of these.
        address: a pointer or a number.
        default: None, to get None where nothing can be read. Without it, what cannot be read is 0,
            and a record is all zeros.

    Since: Linux 5.5
    """
    outside()


@overload
def read_user(kind: TypeForm[K], address: Any) -> K: ...
@overload
def read_user(kind: TypeForm[K], address: Any, default: None) -> K | None: ...
@overload
def read_user(kind: TypeAliasType, address: Any, default: object = 0) -> Any: ...
@overload
def read_user(kind: TypeForm[T], address: Any) -> T: ...
@overload
def read_user(kind: TypeForm[T], address: Any, default: None) -> T | None: ...
@special("read_user")
def read_user(kind: object, address: Any, default: object = 0) -> Any:
    """Return a value from the memory of the current process, like :func:`read_kernel`.

    Memory that is not present cannot be read. Since: Linux 5.5
    """
    outside()


@special("read_kernel_str")
def read_kernel_str(address: Any, size: int) -> Text:
    """Return text from kernel memory, up to its NUL or ``size`` bytes; empty if it is not there.

    Args:
        address: a pointer or a number; text that is there already, such as an array of characters
            in a struct, fills the size, and is cut there.
        size: how many bytes the text has room for, with the NUL; a constant.

    Since: Linux 5.5
    """
    outside()


@special("read_user_str")
def read_user_str(address: Any, size: int) -> Text:
    """Return text from the memory of the current process, like :func:`read_kernel_str`."""
    outside()


@overload
def cast(kind: TypeForm[K], value: Any) -> K: ...
@overload
def cast(kind: TypeAliasType, value: Any) -> Any: ...
@overload
def cast(kind: TypeForm[T], value: Any) -> T: ...
@special("cast")
def cast(kind: object, value: Any) -> Any:
    """Return a ``value`` at another width, or an address as a pointer: ``cast(Ptr[file], at)``.

    Nothing is checked: a pointer to something else reads whatever is there.
    """
    outside()


@special("addressof")
def addressof(place: Any) -> Ptr[Any]:
    """Return the address of a struct, union or array that lies in a kernel object."""
    outside()


@special("container_of")
def container_of(pointer: Any, kind: type[T], member: str) -> T:
    """Return the kernel object whose ``member`` a pointer points to.

    Args:
        pointer: points to the member.
        kind: the type of the object.
        member: a path, such as ``"se.run_node"``.
    """
    outside()


@special("offsetof")
def offsetof(kind: Any, member: str) -> int:
    """Return where a ``member`` of a kernel type or record is, in bytes from the start."""
    outside()


@special("has_type")
def has_type(kind: Any) -> bool:
    """Tell whether the kernel has a type. A constant, known when the program is loaded."""
    outside()


@special("has_enumerator")
def has_enumerator(kind: Any, name: str) -> bool:
    """Tell whether a kernel enum has a ``name``: ``has_enumerator(tcp_ca_state, "TCP_CA_Open")``.

    A constant, known when the program is loaded.
    """
    outside()


@special("view")
def view(kind: TypeForm[T], place: Any, offset: int = 0) -> T:
    """Return memory of our own as another type: ``view(Header, entry.data, at).length``.

    Of a record it is the memory itself: what is assigned to its fields is assigned there. Of a
    number it is the value now.

    Args:
        kind: a number, a record, or an address.
        place: a map entry, a variable, a global, or a part of one.
        offset: how many bytes behind its start; one that leaves no room for ``kind`` ends the
            probe. In a local variable it is a constant.
    """
    outside()


@special("kernel_context")
def kernel_context(ctx: Any) -> Any:
    """Return what the kernel itself has behind a context: of an XDP probe the ``xdp_buff``.

    Its members are read like those of any kernel object. For packets it is the ``sk_buff``, for
    addresses the ``bpf_sock_addr_kern``, for sockets the ``sock``. Since Linux 6.2.
    """
    outside()
