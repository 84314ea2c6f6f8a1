"""What names programs have looked up, of answers as they come by.

Source:  RFC 1035, sections 3.2 and 4.1; RFC 3596 for the addresses of IPv6.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_A, _AAAA = 1, 28
_IS_ANSWER = 0x8000
_POINTER = 0xC0
_LENGTHS = {_A: 4, _AAAA: 16}


class Answer(NamedTuple):
    """What was asked, and which addresses were the answer."""

    name: str
    addresses: tuple[Address, ...]


def answer_of(message: bytes) -> Answer | None:
    """Return what a message of the DNS answers; None if it is none, or if it is broken."""
    try:
        _, flags, questions, answers, _, _ = struct.unpack_from("!6H", message)
        if not flags & _IS_ANSWER or questions != 1:
            return None
        name, at = _name(message, 12)
        at += 4  # its type and class
        addresses = []
        for _ in range(answers):
            at = _after_name(message, at)
            kind, _, _, length = struct.unpack_from("!HHIH", message, at)
            data = message[at + 10 : at + 10 + length]
            if _LENGTHS.get(kind) == len(data):
                addresses.append(IPv4Address(data) if kind == _A else IPv6Address(data))
            at += 10 + length
    except (struct.error, IndexError):
        return None
    return Answer(name, tuple(addresses))


def _name(message: bytes, at: int) -> tuple[str, int]:
    """Return the name of a question, and where it ends: the first one points nowhere."""
    labels = []
    while length := message[at]:
        label = message[at + 1 : at + 1 + length]
        if length >= _POINTER or len(label) < length:
            raise IndexError
        labels.append(label.decode("utf-8", "surrogateescape"))
        at += 1 + length
    return ".".join(labels) or ".", at + 1


def _after_name(message: bytes, at: int) -> int:
    while length := message[at]:
        if length >= _POINTER:
            return at + 2
        at += 1 + length
    return at + 1


class Names:
    """The names of addresses, those that were the latest to be looked up.

    Args:
        most: how many addresses to remember.
    """

    def __init__(self, most: int = 10_240) -> None:
        self._most = most
        self._known: OrderedDict[Address, tuple[str, int]] = OrderedDict()

    def add(self, message: bytes, time_ns: int) -> None:
        """Take in a message that came at a time, if it is an answer."""
        answer = answer_of(message)
        if answer is None:
            return
        for address in answer.addresses:
            self._known[address] = (answer.name, time_ns)
            self._known.move_to_end(address)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def of(self, address: Address) -> tuple[str, int] | None:
        """Return which name was looked up that has this address, and when; None if none was."""
        return self._known.get(address)
