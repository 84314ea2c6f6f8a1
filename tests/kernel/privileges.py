"""Processes with exactly the capabilities that a test says."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Iterable
from contextlib import suppress

import pytest

from pyebpf.abi.capability import CAPABILITIES
from pyebpf.runtime.refusal import effective_capabilities
from tests.kernel.children import in_child

_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8


def keep_only(*names: str, uid: int = 0) -> None:
    """Give up every capability of this process but these; become another user if asked."""
    libc = ctypes.CDLL(None, use_errno=True)
    bits = sum(1 << CAPABILITIES[name] for name in names)
    words = bits & 0xFFFFFFFF, bits >> 32
    # Effective and permitted, the lower halves first; nothing is inherited.
    data = (ctypes.c_uint32 * 6)(words[0], words[0], 0, words[1], words[1], 0)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    if uid:
        libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")


def lift_memory_limit() -> None:
    """Let children find enough memory where BPF counts against a limit (before Linux 5.11)."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY,) * 2)


def with_only(names: Iterable[str], function: Callable[..., None], *, uid: int = 0) -> None:
    """Run a function in a child that has these capabilities and no others.

    Where the tests themselves have fewer (in a container), the test is skipped.
    """
    names = tuple(names)
    held = effective_capabilities()
    absent = [name for name in names if not held >> CAPABILITIES[name] & 1]
    if absent:
        pytest.skip(f"the tests run without {', '.join(absent)} here")

    def inside() -> None:
        keep_only(*names, uid=uid)
        function()

    in_child(inside)
