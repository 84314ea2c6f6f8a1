"""Byte order: numbers of the network are big-endian, those of the machine little-endian.

These work in a probe and outside. Each direction is the same exchange of bytes; the names say
what is meant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyebpf.dsl.scalars import u16, u32, u64

F = TypeVar("F", bound=Callable[..., Any])

#: The name of each function, and the bits of its number.
WIDTHS = {"ntohs": 16, "ntohl": 32, "ntohll": 64, "htons": 16, "htonl": 32, "htonll": 64}


def swapped(value: int, bits: int) -> int:
    """Return a number with its bytes the other way round.

    Raises:
        OverflowError: it is negative or has more bits.
    """
    return int.from_bytes(value.to_bytes(bits // 8, "little"), "big")


def _special(function: F) -> F:
    function.__pyebpf_builtin__ = function.__name__  # type: ignore[attr-defined]
    return function


@_special
def ntohs(value: u16) -> u16:
    """Return a 16-bit number of the network, a port for example, in the machine's order."""
    return swapped(value, 16)


@_special
def ntohl(value: u32) -> u32:
    """Return a 32-bit number of the network in the machine's order."""
    return swapped(value, 32)


@_special
def ntohll(value: u64) -> u64:
    """Return a 64-bit number of the network in the machine's order."""
    return swapped(value, 64)


@_special
def htons(value: u16) -> u16:
    """Return a 16-bit number in the order of the network."""
    return swapped(value, 16)


@_special
def htonl(value: u32) -> u32:
    """Return a 32-bit number in the order of the network."""
    return swapped(value, 32)


@_special
def htonll(value: u64) -> u64:
    """Return a 64-bit number in the order of the network."""
    return swapped(value, 64)
