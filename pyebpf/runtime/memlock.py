"""RLIMIT_MEMLOCK, which limits BPF memory before Linux 5.11 and has nothing to do with it since.

Loaders that raise it always, or that answer every ``EPERM`` with "raise ulimit -l", mislead: here
it is touched only after a refusal, only on a kernel that charges BPF memory to it.

Source: Linux commit 3ac1f01b43b6 ("bpf: Eliminate rlimit-based memory accounting for bpf progs").
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.attr import PROG_LOAD
from pyebpf.abi.capability import missing
from pyebpf.lazy import lazy
from pyebpf.runtime import call, tape
from pyebpf.runtime.refusal import effective_capabilities

if TYPE_CHECKING:
    import resource
else:
    resource = lazy("resource")  # newer kernels need it never

# r0 = bpf_ktime_get_coarse_ns(); exit. The helper came with the kernel that stopped charging.
_CODE = struct.pack("=" + "BBhi" * 3, 0x85, 0, 0, 160, 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
_LICENSE = b"GPL\0"
_ATTEMPTS = 10
_TYPES = "/sys/kernel/btf/vmlinux"
#: The same helper, as the kernel's own types name it.
_NAME = b"\0BPF_FUNC_ktime_get_coarse_ns\0"

_answer: list[bool] = []


def is_charged() -> bool | None:
    """Tell whether this kernel charges BPF memory to RLIMIT_MEMLOCK; None if it refuses to say.

    Cost: one program load, the first time; where that is refused, a read of some megabytes.
    """
    if not _answer:
        code = PROG_LOAD.pack(
            c.BPF_PROG_TYPE_SOCKET_FILTER, len(_CODE) // 8, call.address_of(_CODE),
            call.address_of(_LICENSE), 0, 0, 0, 0, 0, b"", *(0,) * 16,
        )  # fmt: skip
        fd = call.bpf(c.BPF_PROG_LOAD, bytearray(code))
        if fd >= 0:
            os.close(fd)
        # EPERM: the limit is exhausted (it is checked before the verifier looks), a capability is
        # missing, or a policy refuses everything. The types of the kernel are for everybody.
        found = _from_types() if fd == -errno.EPERM else fd == -errno.EINVAL
        if found is None:
            return None
        _answer.append(found)
    return _answer[0]


def _from_types() -> bool | None:
    try:
        with open(_TYPES, "rb") as file:  # noqa: PTH123
            return _NAME not in file.read()
    except OSError:
        return None


def raise_limit() -> bool:
    """Lift the limit for this process as far as may be, if that can help; tell whether it moved."""
    soft, hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or is_charged() is False:
        return False
    without = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    for limits in (without, (hard, hard)):  # the first wants CAP_SYS_RESOURCE, the second nothing
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
        except (ValueError, OSError):
            continue
        return limits[0] != soft
    return False


def exhausted() -> str:
    """Say what to do if the limit is what refused memory just now; "" if it has no part in it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or is_charged() is not True:
        return ""
    return (
        f"this kernel charges BPF memory to RLIMIT_MEMLOCK (Linux 5.11 and later do not), and the "
        f"{soft} bytes that this process may have are used up or too few: grant CAP_SYS_RESOURCE, "
        "with which the limit is lifted by itself, or lift it before the start with `ulimit -l "
        "unlimited` (as root), or with LimitMEMLOCK=infinity in the unit of a service"
    )


def charged(cmd: int, attr: bytes | bytearray) -> int:
    """Call ``bpf(2)`` for a command that allocates; lift the limit if that was in the way.

    ``EAGAIN`` and ``EINTR`` are tried again too. Returns the result or ``-errno``.
    """
    result = tape.bpf(cmd, attr)
    for _ in range(_ATTEMPTS):
        if result not in (-errno.EAGAIN, -errno.EINTR):
            break
        result = tape.bpf(cmd, attr)
    # Whoever may not use bpf(2) at all is not helped by a higher limit.
    allowed = result != -errno.EPERM or not missing(("CAP_BPF",), effective_capabilities())
    if result == -errno.EPERM and allowed and raise_limit():
        result = tape.bpf(cmd, attr)
    return result
