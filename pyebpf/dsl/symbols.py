"""Functions and variables of the kernel, by name: declared once, used in probes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, get_args

from pyebpf.dsl.builtins import special
from pyebpf.dsl.outside import outside
from pyebpf.errors import PyebpfError

T = TypeVar("T")


class Kfunc:
    """A function of the kernel that programs may call. Made by :func:`kfunc`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_: Any) -> Any:
        """Call it, in a probe."""
        outside()

    def __repr__(self) -> str:
        return f"kfunc({self.name!r})"


def kfunc(name: str) -> Kfunc:
    """Declare a function of the kernel, by its name.

    Its arguments and result are typed by the kernel's BTF. A pointer that it gives may be None and
    is tested before use; what must be given back is given back by the program.

    Args:
        name: as the kernel calls it.

    Raises:
        PyebpfError: the name is none.

    Since: Linux 5.13, where the kernel has functions for programs of the probe's kind.
    """
    if not name.isidentifier():
        raise PyebpfError(f"kfunc({name!r}): that is no name of a function")
    return Kfunc(name)


class KernelVariable(Generic[T]):
    """A variable of the kernel: ``jiffies = KernelVariable[u64]("jiffies")``.

    ``.value`` reads it. One that exists once for each CPU is read with ``.this_cpu()``, and with
    ``.on_cpu(n)``, which gives None if there is no such CPU; both give the object itself if it is a
    struct: ``runqueues = KernelVariable[rq]("runqueues")``.

    A variable that the kernel's BTF describes is found there; others by their address, which needs
    a kernel with ``CONFIG_KALLSYMS_ALL``. Since: Linux 5.10
    """

    def __init__(self, name: str) -> None:
        """Declare a variable.

        Args:
            name: as the kernel calls it.
        """
        self.name = name

    def type_argument(self) -> Any:
        """Return what stands in the brackets; None without them."""
        args = get_args(getattr(self, "__orig_class__", None))
        return args[0] if args else None

    @property
    def value(self) -> T:
        """The variable's value, in a probe."""
        outside()

    def this_cpu(self) -> T:
        """Return the value, or the object, of the CPU that the probe runs on."""
        outside()

    def on_cpu(self, cpu: int) -> T | None:
        """Return the value, or the object, of a CPU; None if there is no such CPU."""
        outside()

    def __repr__(self) -> str:
        return f"KernelVariable({self.name!r})"


@special("has_kfunc")
def has_kfunc(function: Callable[..., Any]) -> bool:
    """Tell whether the kernel has a kfunc. A constant: code behind a false answer is removed."""
    outside()


@special("has_variable")
def has_variable(variable: KernelVariable[Any]) -> bool:
    """Tell whether the kernel has a variable, and it can be found; known when loaded."""
    outside()
