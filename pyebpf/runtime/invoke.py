"""Programs run by a call, on a context that the caller makes."""

from __future__ import annotations

import struct
from typing import Any

from pyebpf.plain import Frozen
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.spec.dtype import pack, unpack
from pyebpf.spec.types import Record

#: How much longer a program may make a packet, in bytes.
_ROOM = 4096


class Invocation(Frozen):
    """What a run of a program gave.

    Attributes:
        result: what the program returned, 32 bits, signed.
        context: the record as the program left it; None if it takes none.
        data: the packet as the program left it.
        duration_ns: how long a run took, as the kernel says; 0 where it does not.
    """

    result: int
    context: Any
    duration_ns: int
    data: bytes = b""


def invoke(
    fd: int, kind: Record | None, args: tuple[Any, ...], data: bytes = b"", repeat: int = 1
) -> Invocation:
    """Run the program at a descriptor.

    Args:
        fd: the program.
        kind: the record that it takes; None for bare words.
        args: the record, or the words.
        data: the packet; the program may make it longer by as much as a page.
        repeat: how many times.

    Raises:
        ValueError: the kernel cannot be asked for so many.
    """
    if not 0 <= repeat < 1 << 32:
        raise ValueError(f"repeat={repeat}: how many times, up to {(1 << 32) - 1}")
    if data:
        ran = prog_test_run(fd, data=data, repeat=repeat, data_out_size=len(data) + _ROOM)
    else:
        ran = prog_test_run(fd, ctx=_context(kind, args), repeat=repeat)
    left = None if kind is None else unpack(kind, ran.ctx)
    return Invocation(_signed(ran.retval), left, ran.duration_ns, ran.data)


def _context(kind: Record | None, args: tuple[Any, ...]) -> bytes:
    if kind is not None:
        return pack(kind, args[0]) if args else bytes(kind.size)
    words = [int(arg) & (1 << 64) - 1 for arg in args] or [0]
    return struct.pack(f"={len(words)}Q", *words)


def _signed(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number
