"""Programs run by a call, on a context that the caller makes."""

from __future__ import annotations

import struct
from typing import Any

from pyebpf.plain import Frozen
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.spec.dtype import pack, unpack
from pyebpf.spec.types import Record


class Invocation(Frozen):
    """What a run of a program gave.

    Attributes:
        result: what the program returned, 32 bits, signed.
        context: the record as the program left it; None if it takes none.
        duration_ns: how long a run took, as the kernel says; 0 where it does not.
    """

    result: int
    context: Any
    duration_ns: int


def invoke(fd: int, kind: Record | None, args: tuple[Any, ...], repeat: int = 1) -> Invocation:
    """Run the program at a descriptor.

    Args:
        fd: the program.
        kind: the record that it takes; None for bare words.
        args: the record, or the words.
        repeat: how many times.
    """
    if kind is None:
        words = [int(arg) & (1 << 64) - 1 for arg in args] or [0]
        data = struct.pack(f"={len(words)}Q", *words)
    else:
        data = pack(kind, args[0]) if args else bytes(kind.size)
    ran = prog_test_run(fd, ctx=data, repeat=repeat)
    left = None if kind is None else unpack(kind, ran.ctx)
    return Invocation(_signed(ran.retval), left, ran.duration_ns)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number
