"""Helpers about text, call stacks and counters, as far as a test without a kernel can have them."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c

if TYPE_CHECKING:
    from pyebpf.ir.interp.helpers import Helper
    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.nodes import CallHelper

_NUMBER = re.compile(rb"\s*(-?)(0[xX])?([0-9a-fA-F]+)")
_CONVERSION = re.compile(r"%(-?0?\d*)(?:hh|h|ll|l)?([diuxXcs%])")
_I64 = 1 << 63


def _text_at(m: Machine, address: int) -> bytes:
    region = m.memory.at(address)
    data = bytes(region.data[address - region.base :]) if region else b""
    return data.partition(b"\0")[0]


def strncmp(m: Machine, args: list[int], call: CallHelper) -> int:
    """Compare memory with constant text."""
    left = m.memory.read(args[0], args[1], call).partition(b"\0")[0]
    right = _text_at(m, args[2])[: args[1]]
    return (left > right) - (left < right)


def snprintf(m: Machine, args: list[int], call: CallHelper) -> int:
    """Format numbers and text as the kernel does, with the conversions that it has."""
    data = m.memory.read(args[3], args[4], call) if args[4] else b""
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    template = _text_at(m, args[2]).decode()
    made = _CONVERSION.sub(lambda found: _converted(m, found, words), template).encode() + b"\0"
    if args[0] and args[1]:
        kept = made if len(made) <= args[1] else made[: args[1] - 1] + b"\0"
        m.memory.write(args[0], kept, call)
    return len(made)


def _converted(m: Machine, found: re.Match[str], words: list[int]) -> str:
    width, letter = found.groups()
    if letter == "%":
        return "%"
    word = words.pop(0)
    if letter == "s":
        return f"%{width}s" % _text_at(m, word).decode(errors="replace")
    if letter in "di" and word >= _I64:
        word -= 2 * _I64
    return f"%{width}{letter}" % (chr(word & 0xFF) if letter == "c" else word)


def strtol(m: Machine, args: list[int], call: CallHelper) -> int:
    """Read a number; return how many characters it has."""
    base = args[2] & 0x1F
    found = _NUMBER.match(m.memory.read(args[0], args[1], call))
    if found is None or (found[1] and call.helper == "strtoul"):
        return -errno.EINVAL
    number = int(found[3], base or (16 if found[2] else 10)) * (-1 if found[1] else 1)
    m.memory.write(args[3], (number & (2 * _I64 - 1)).to_bytes(8, "little"), call)
    return found.end()


def get_stack(m: Machine, args: list[int], call: CallHelper) -> int:
    """Store the call stack that the test gave; return the bytes stored."""
    user = args[3] & c.BPF_F_USER_STACK
    stack = m.world.user_stack if user else m.world.kernel_stack
    words = stack[args[3] & c.BPF_F_SKIP_FIELD_MASK :][: args[2] // 8]
    data = b"".join(word.to_bytes(8, "little") for word in words)
    m.memory.write(args[1], data.ljust(args[2], b"\0"), call)
    return len(data)


def perf_event_read_value(m: Machine, args: list[int], call: CallHelper) -> int:
    """Say that there is no counter."""
    m.memory.write(args[2], bytes(args[3]), call)
    return -errno.ENOENT


def get_socket_cookie(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return a number that is this socket's alone: its address."""
    return args[0]


def same_object(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return the object: a socket is of the type that the program asks for."""
    return args[0]


TEXT_HELPERS: dict[str, Helper] = {
    "strncmp": strncmp,
    "snprintf": snprintf,
    "strtol": strtol,
    "strtoul": strtol,
    "get_stack": get_stack,
    "get_task_stack": get_stack,
    "perf_event_read_value": perf_event_read_value,
    "get_socket_cookie": get_socket_cookie,
    **dict.fromkeys(("skc_to_tcp_sock", "skc_to_tcp6_sock", "skc_to_udp6_sock"), same_object),
}
