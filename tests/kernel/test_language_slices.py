"""Lengths, slices and characters of text, in the kernel and in Python."""

from __future__ import annotations

import pytest

from pyebpf import Char, Hash, RawTracepointContext, chars, raw_tracepoint, record, u32
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Name:
    name: Char = chars(9)


names = Hash[u32, Name](max_entries=4)
parts = Hash[u32, Name](max_entries=4)
numbers = Hash[u32, u32](max_entries=4)
firsts = Hash[u32, Name](max_entries=4)
ords = Hash[u32, u32](max_entries=4)


def compare(name: Char, which: int) -> bool:
    """Compare one part."""
    if which == 0:
        return name[:2] == "ab"
    if which == 1:
        return name[:3] == "ab"
    if which == 2:
        return name[:1] != "é"
    if which == 3:
        return name[1:3] == "bc"
    if which == 4:
        return name[2:] == ""
    if which == 5:
        return name[:1] == "ab"
    if which == 6:
        return name[:2] in ("ab", "é")
    if which == 7:
        return name[1:] == name[2:]
    if which == 8:
        return name.endswith("c")
    if which == 9:
        return name.endswith(("ghi", "é", "abcdefghij"))
    if which == 10:
        return name.endswith("bc")
    return len(name[1:4]) == 2


def cut(name: Char, which: int) -> None:
    """Cut one part: what the verifier follows is multiplied by each one that is kept."""
    if which == 0:
        parts[0] = Name(name=name[:3])
    elif which == 1:
        parts[1] = Name(name=name[2:])
    elif which == 2:
        parts[2] = Name(name=name[1:4])
    else:
        parts[3] = Name(name=name[2:3])


@raw_tracepoint("sys_enter")
def by_index(ctx: RawTracepointContext) -> int:
    found = names.get(1)
    if found is not None:
        cut(found.name, ctx.args[0])
    return 1


@raw_tracepoint("sys_enter")
def compared(ctx: RawTracepointContext) -> int:
    found = names.get(1)
    if found is not None:
        numbers[1] = len(found.name)
        numbers[2] = compare(found.name, ctx.args[0])
    return 1


@raw_tracepoint("sys_enter")
def first(ctx: RawTracepointContext) -> int:
    found = names.get(1)
    if found is not None:
        ords[1] = ord(found.name[0])
        firsts[1] = Name(name=found.name[0])
        ords[2] = ord(found.name[2])
        firsts[2] = Name(name=found.name[2])
        return 2
    return 1


BYTES = [
    *(text.encode() for text in ("", "a", "ab", "abc", "abcd", "abcdefghi", "ébc", "aéb", "abé")),
    *(
        text.encode()
        for text in (
            "é",
            "éé",
            "éééé",
            "€",
            "a€b",
            "€€€",
            "😀",
        )
    ),
    *(text.encode() for text in ("😀😀", "a😀b", "é€😀")),
    b"abcdefgh\xc3",  # cut in the middle of a character
    b"\xe2\x82",
    b"\xe2\x82a\x82",
    b"\xf0\x9f\x98",
    b"\x80\x81abc",
    b"\xc0\x80\xc1\xbfa",
    b"\xe0\x80\x80\xe0\xa0\x80",
    b"\xed\xa0\x80\xed\x9f\xbf",
    b"\xf4\x90\x80\x80\xf4\x8f\xbf\xbf",
    b"\xff\xfe\xf5\x80",
    b"ab\0garbage"[:9],
    b"\0bcdefghi",
    b"\xc3\0\xa9",
]


def decoded(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def fill(session: object, data: bytes) -> str:
    session[names][1] = {"name": data}  # type: ignore[index]
    return decoded(data)


@pytest.mark.thorough
def test_parts_of_texts_are_as_in_python() -> None:
    with loaded(by_index) as session:
        for data in BYTES:
            name = fill(session, data)
            for which, part in enumerate((name[:3], name[2:], name[1:4], name[2:3])):
                assert fire(session, by_index, which) == 1
                assert session[parts][which].name == part, (data, which)


@pytest.mark.thorough
def test_lengths_and_comparisons_of_parts_are_as_in_python() -> None:
    with loaded(compared) as session:
        for data in BYTES:
            name = fill(session, data)
            for which in range(12):
                assert fire(session, compared, which) == 1
                expected = len(name), compare(name, which)  # type: ignore[arg-type]
                assert (session[numbers][1], session[numbers][2]) == expected, (data, which)


def test_characters_are_as_in_python() -> None:
    with loaded(first) as session:
        for data in BYTES:
            name = fill(session, data)
            ended = fire(session, first) == 0
            assert ended == (len(name) < 3), data
            if name:
                assert session[ords][1] == ord(name[0]), data
                assert session[firsts][1].name == name[0], data
            if len(name) > 2:
                assert session[ords][2] == ord(name[2]), data
                assert session[firsts][2].name == name[2], data
