"""Functions that a probe can call: the kernel's helpers, under Python signatures.

A function here is only its signature, its documentation and its row: which helper it is, and which
bits of the answer it takes. The compiler reads the row; the body runs only when somebody calls the
function outside a probe, which is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pyebpf.dsl.outside import outside as _outside
from pyebpf.dsl.scalars import Char, Ptr, i64, u32, u64
from pyebpf.plain import Frozen
from pyebpf.spec.types import I64, U32, U64, Int

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from pyebpf.kernel import task_struct

F = TypeVar("F", bound=Callable[..., Any])


class ScalarHelper(Frozen):
    """A helper without arguments whose result is a number: ``type((result >> shift))``."""

    helper: str
    type: Int
    shift: int = 0


def scalar(helper: str, kind: Int, shift: int = 0) -> Callable[[F], F]:
    """Mark a function as a helper without arguments."""

    def mark(function: F) -> F:
        function.__pyebpf_builtin__ = ScalarHelper(helper, kind, shift)  # type: ignore[attr-defined]
        return function

    return mark


def special(name: str) -> Callable[[F], F]:
    """Mark a function that the compiler treats by itself (``pyebpf.dsl.check.builtin``)."""

    def mark(function: F) -> F:
        function.__pyebpf_builtin__ = name  # type: ignore[attr-defined]
        return function

    return mark


@scalar("ktime_get_ns", U64)
def ktime_get_ns() -> u64:
    """Return nanoseconds since boot, without time spent suspended."""
    _outside()


@scalar("ktime_get_boot_ns", U64)
def ktime_get_boot_ns() -> u64:
    """Return nanoseconds since boot, with time spent suspended. Since Linux 5.8."""
    _outside()


@scalar("jiffies64", U64)
def jiffies64() -> u64:
    """Return the kernel's tick count. Since Linux 5.6."""
    _outside()


@scalar("get_current_pid_tgid", U32, shift=32)
def tgid() -> u32:
    """Return the current process (what user space calls its pid)."""
    _outside()


@scalar("get_current_pid_tgid", U32)
def tid() -> u32:
    """Return the current thread (what the kernel calls its pid)."""
    _outside()


@scalar("get_current_pid_tgid", U64)
def pid_tgid() -> u64:
    """Return process and thread in one number: ``tgid << 32 | tid``."""
    _outside()


@scalar("get_current_uid_gid", U32)
def uid() -> u32:
    """Return the user of the current process, in the initial user namespace."""
    _outside()


@scalar("get_current_uid_gid", U32, shift=32)
def gid() -> u32:
    """Return the group of the current process, in the initial user namespace."""
    _outside()


@scalar("get_smp_processor_id", U32)
def cpu() -> u32:
    """Return the number of the CPU that the probe runs on."""
    _outside()


@scalar("get_numa_node_id", I64)
def numa_node() -> i64:
    """Return the NUMA node of the CPU that the probe runs on."""
    _outside()


@scalar("get_prandom_u32", U32)
def get_prandom_u32() -> u32:
    """Return a pseudo-random number."""
    _outside()


@scalar("get_current_cgroup_id", U64)
def cgroup_id() -> u64:
    """Return the id of the current process's cgroup (version 2). Since Linux 4.18."""
    _outside()


@special("attach_cookie")
def attach_cookie() -> u64:
    """Return the number that was given when the program was attached, 0 if none was.

    Since:  Linux 5.15: kprobes, uprobes, tracepoints and perf events. Functions and LSM hooks
        (``@fentry``, …) 5.19, ``@tp_btf`` and ``@raw_tracepoint`` 6.10.
    """
    _outside()


@special("comm")
def comm() -> Char:
    """Return the name of the current thread, 16 bytes, NUL-terminated."""
    _outside()


@special("current_task")
def current_task() -> Ptr[task_struct]:
    """Return the current thread's ``struct task_struct``."""
    _outside()


@special("has_field")
def has_field(kernel_type: Any, field: str) -> bool:
    """Tell whether the kernel's struct has a ``field``: ``has_field(task_struct, "__state")``.

    A constant, known when the program is loaded: code behind a false answer is removed, and may
    name fields that this kernel does not have.
    """
    _outside()


@special("kernel_config")
def kernel_config(option: str) -> Any:
    """Return how the kernel was configured: ``kernel_config("CONFIG_HZ")``.

    A constant, known when the program is compiled for this kernel: a number or a text where the
    option has one, True if it is set (``y``, or ``m`` as a module), False if it is not. Code behind
    a false answer is removed.
    """
    _outside()


@special("sizeof")
def sizeof(kernel_type: Any) -> int:
    """Return the size of a kernel type or record, in bytes, in the kernel that runs the program."""
    _outside()


@special("fetch_add")
def fetch_add(place: int, amount: int) -> int:
    """Add ``amount`` to a place in shared memory, and return what was there before: atomic.

    The first argument is the place itself: a field of a map entry (``entry.count``), an element
    (``counts[key]``, which starts at 0 if it is missing), or a global (``total.value``).
    Since Linux 5.12.
    """
    _outside()


@special("fetch_and")
def fetch_and(place: int, mask: int) -> int:
    """Keep the bits of ``mask``, and return what was there before; see :func:`fetch_add`."""
    _outside()


@special("fetch_or")
def fetch_or(place: int, bits: int) -> int:
    """Set bits, and return what was there before; see :func:`fetch_add`."""
    _outside()


@special("fetch_xor")
def fetch_xor(place: int, bits: int) -> int:
    """Flip bits, and return what was there before; see :func:`fetch_add`."""
    _outside()


@special("exchange")
def exchange(place: int, value: int) -> int:
    """Store a number, and return what was there before; see :func:`fetch_add`."""
    _outside()


@special("compare_exchange")
def compare_exchange(place: int, expected: int, new: int) -> int:
    """Store ``new`` if ``expected`` is there, and return what was there; see :func:`fetch_add`.

    It was stored if the result equals ``expected``.
    """
    _outside()


@special("ipv4")
def ipv4(number: int) -> IPv4Address:
    """Return the address that the kernel keeps as a number in the order of the network."""
    _outside()


@special("ipv6")
def ipv6(place: Any) -> IPv6Address:
    """Return the address that is in 16 bytes: a place in a kernel object, or bytes."""
    _outside()
