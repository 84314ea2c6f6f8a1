"""RLIMIT_MEMLOCK, which limits BPF memory before Linux 5.11 and has nothing to do with it since.

Loaders that raise it always, or that answer every ``EPERM`` with "raise ulimit -l", mislead: here
it is touched only after a refusal, only on a kernel that charges BPF memory to it.

Source: Linux commit 3ac1f01b43b6 ("bpf: Eliminate rlimit-based memory accounting for bpf progs").
"""

from __future__ import annotations

import errno
import os
import resource
import struct

from pyebpf.abi import constants as c
from pyebpf.abi.attr import PROG_LOAD
from pyebpf.runtime import call

# r0 = bpf_ktime_get_coarse_ns(); exit. The helper came with the kernel that stopped charging.
_CODE = struct.pack("=" + "BBhi" * 3, 0x85, 0, 0, 160, 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
_LICENSE = b"GPL\0"
_ATTEMPTS = 10

_answer: list[bool | None] = []


def is_charged() -> bool | None:
    """Tell whether this kernel charges BPF memory to RLIMIT_MEMLOCK; None if it refuses to say.

    Cost: one program load, the first time.
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
        # missing, or a policy refuses everything.
        _answer.append(None if fd == -errno.EPERM else fd == -errno.EINVAL)
    return _answer[0]


def raise_limit() -> bool:
    """Lift the limit for this process if that can help; tell whether it changed."""
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if soft == resource.RLIM_INFINITY or is_charged() is False:
        return False
    try:
        resource.setrlimit(
            resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )
    except (ValueError, OSError):  # CAP_SYS_RESOURCE is missing
        return False
    return True


def charged(cmd: int, attr: bytes | bytearray) -> int:
    """Call ``bpf(2)`` for a command that allocates; lift the limit if that was in the way.

    ``EAGAIN`` and ``EINTR`` are tried again too. Returns the result or ``-errno``.
    """
    result = call.bpf(cmd, attr)
    for _ in range(_ATTEMPTS):
        if result not in (-errno.EAGAIN, -errno.EINTR):
            break
        result = call.bpf(cmd, attr)
    if result == -errno.EPERM and raise_limit():
        result = call.bpf(cmd, attr)
    return result
