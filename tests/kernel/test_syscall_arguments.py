"""Arguments of system calls: numbers as they were declared, whatever is in their registers."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

import pytest

from pyebpf import Array, Const, TracepointContext, load, tgid, tracepoint, u64

pytestmark = pytest.mark.kernel

TIMES, ABOVE = 23, 0xDEAD << 32
_KILL = {"x86_64": 62, "aarch64": 129}[os.uname().machine]

me = Const(0)
seen = Array[u64](max_entries=4)


@tracepoint("syscalls:sys_enter_openat")
def opens(ctx: TracepointContext) -> None:
    """AT_FDCWD is an ``int``, the mode a typedef of an ``unsigned short``."""
    if tgid() == me and ctx.dfd == -100 and ctx.mode == 0o640:
        seen[0] += 1


@tracepoint("syscalls:sys_enter_kill")
def kills(ctx: TracepointContext) -> None:
    """A ``pid_t`` is a typedef of a typedef of an ``int``."""
    if tgid() == me and ctx.sig == 0:
        seen[1] += ctx.pid < 0
        seen[2] += ctx.pid == me


def test_an_argument_has_its_declared_width_and_sign(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "new")  # noqa: PTH118
    with load(opens, kills, options={me: os.getpid()}) as session:
        for _ in range(TIMES):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o640))
        with suppress(ProcessLookupError):
            os.kill(-(2**31) + 5, 0)
        ctypes.CDLL(None).syscall(_KILL, ctypes.c_ulong(ABOVE | os.getpid()), 0)
        assert session[seen].view().tolist() == [TIMES, 1, 1, 0]
