"""What a hit of a uprobe costs before and after its program, which the kernel's statistics omit.

A breakpoint is a trap, and often a second one for the instruction that it stands on: microseconds,
where the program takes tens of nanoseconds. So it is measured, on a function of our own process
that nobody else calls meanwhile. Of other hooks it is not: what they hit belongs to all processes.
"""

from __future__ import annotations

import ctypes
import os
import time
from functools import cache
from typing import TYPE_CHECKING

from pyebpf.abi import insn as i
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.errors import PyebpfError
from pyebpf.runtime import syscall
from pyebpf.runtime.links import attach

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind

_NOTHING = i.assemble(i.mov64_imm(i.R0, 0), i.exit_insn())
#: It returns a constant, and hardly anybody asks for it.
_FUNCTION = "gnu_get_libc_version"
_ROUNDS, _CALLS = 7, 50
_STRATEGIES = ("uprobe", "uprobe_multi", "usdt")


def entry_ns(kind: ProgramKind) -> float | None:
    """Return what a hit of a kind of programs costs besides its program; None if that is not known.

    A program that runs at both ends of a function is hit twice: this is the mean of the two.

    Units:  nanoseconds, of this machine now. The instruction that is probed makes a difference of
        some ten percent.
    Cost: some tenths of a second, the first time: most of it, to detach.
    """
    if kind.strategy not in _STRATEGIES:
        return None
    if kind.name.startswith("uretprobe"):
        return _measured("uretprobe")
    if "session" in kind.name:
        both = _measured("uretprobe")
        return None if both is None else both / 2
    return _measured("uprobe")


@cache
def _measured(name: str) -> float | None:
    try:
        call = ctypes.CDLL(None)[_FUNCTION]
        alone = _least(call)
        kind = PROGRAM_KINDS[name]
        fd, _ = syscall.prog_load(kind.prog_type, _NOTHING, "GPL", name="nothing")
        try:
            with attach(fd, kind, f"c:{_FUNCTION}", at={"pid": os.getpid()}):
                return max(_least(call) - alone, 0.0)
        finally:
            os.close(fd)
    except (PyebpfError, OSError, AttributeError):
        return None  # another C library, or something that forbids it


def _least(call: ctypes._NamedFuncPointer) -> float:
    """Return how long a call takes, in nanoseconds, when nothing disturbs it."""
    best = float("inf")
    for _ in range(_ROUNDS):
        begin = time.perf_counter_ns()
        for _ in range(_CALLS):
            call()
        best = min(best, (time.perf_counter_ns() - begin) / _CALLS)
    return best
