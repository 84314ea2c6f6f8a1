"""Answers of the DNS: what was asked, which addresses came, and what is no answer."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from pyebpf.host.dns import Names, answer_of

NAME = b"\x03www\x07example\x03org\x00"
QUESTION = NAME + struct.pack("!HH", 1, 1)
TO_NAME = b"\xc0\x0c"


def record(kind: int, data: bytes, name: bytes = TO_NAME) -> bytes:
    return name + struct.pack("!HHIH", kind, 1, 300, len(data)) + data


def message(*records: bytes, flags: int = 0x8180, question: bytes = QUESTION) -> bytes:
    return struct.pack("!6H", 7, flags, 1, len(records), 0, 0) + question + b"".join(records)


def a(text: str) -> bytes:
    address = ip_address(text)
    return record(1 if address.version == 4 else 28, address.packed)


def test_addresses_of_both_versions_behind_an_alias() -> None:
    alias = record(5, b"\x05other\xc0\x10")
    found = answer_of(message(alias, a("192.0.2.1"), a("2001:db8::1")))
    assert found == ("www.example.org", (IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")))


def test_names_of_records_need_not_be_pointers() -> None:
    found = answer_of(message(record(1, bytes(4), NAME), record(1, b"\1\2\3\4", b"\x00")))
    assert found is not None
    assert found.addresses == (IPv4Address(0), IPv4Address("1.2.3.4"))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        message(flags=0x0100),  # a question
        message(a("192.0.2.1"))[:-1],
        message(a("192.0.2.1"), a("192.0.2.2"))[:-10],
        message(question=b"\x3fshort"),
        message(question=b"\xc0\x0c" + bytes(4)),  # a question that points to itself
        struct.pack("!6H", 7, 0x8180, 2, 0, 0, 0) + QUESTION * 2,
        struct.pack("!6H", 7, 0x8180, 1, 65_535, 0, 0) + QUESTION,
    ],
)
def test_what_is_no_answer_or_broken_is_none(wrong: bytes) -> None:
    found = answer_of(wrong)
    assert found is None or not found.addresses


def test_every_end_of_a_message_is_survived() -> None:
    whole = message(record(5, b"\x05other\xc0\x10"), a("192.0.2.1"), a("2001:db8::1"))
    for length in range(len(whole)):
        found = answer_of(whole[:length])
        assert found is None or len(found.addresses) < 2


def test_the_latest_name_of_an_address_counts_and_the_oldest_are_forgotten() -> None:
    names = Names(most=2)
    names.add(message(a("192.0.2.1")), 5)
    names.add(message(a("192.0.2.2")), 6)
    other = b"\x05other\x00" + struct.pack("!HH", 1, 1)
    names.add(message(record(1, b"\xc0\0\2\1"), question=other), 7)
    names.add(message(a("192.0.2.3")), 8)
    names.add(b"noise", 9)
    assert names.of(IPv4Address("192.0.2.1")) == ("other", 7)
    assert names.of(IPv4Address("192.0.2.2")) is None
    assert names.of(IPv4Address("192.0.2.3")) == ("www.example.org", 8)
