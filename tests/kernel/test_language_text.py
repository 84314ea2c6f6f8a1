"""Comparisons of text, in the kernel and in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf import (
    Array,
    Char,
    Hash,
    RawTracepointContext,
    chars,
    comm,
    raw_tracepoint,
    record,
    u32,
    u64,
)
from tests.kernel.running import fire, loaded

pytestmark = pytest.mark.kernel


@record
class Names:
    short: Char = chars(4)
    long: Char = chars(9)


names = Hash[u32, Names](max_entries=4)
answers = Array[u64](max_entries=1)


def compare(short: Char, long: Char) -> u64:  # noqa: C901 - one test for each form
    """Return a bit for every comparison that holds."""
    bits = 0
    if short == "abcd":
        bits |= 1
    if short == "ab":
        bits |= 2
    if long == "abcdefghi":
        bits |= 4
    if long != "abcd":
        bits |= 8
    if short == long:
        bits |= 16
    if long != short:
        bits |= 32
    if short in ("", "ab", "abcde"):
        bits |= 64
    if long.startswith("abc"):
        bits |= 128
    if long.startswith(("x", "abcdefghi", "")):
        bits |= 256
    if short.startswith("abcde"):
        bits |= 512
    if "é" == short:  # noqa: SIM300 - the constant first
        bits |= 1024
    if short == long == "abcd":
        bits |= 2048
    if short not in ("abcde", long):
        bits |= 4096
    if "ab" in ("ab", "cd") and short:
        bits |= 8192
    return bits


@raw_tracepoint("sys_enter")
def by_fields(ctx: RawTracepointContext) -> int:
    found = names.get(1)
    if found is not None:
        answers[0] = compare(found.short, found.long)
    return 1


@raw_tracepoint("sys_enter")
def by_variables(ctx: RawTracepointContext) -> int:
    found = names.get(1)
    if found is not None:
        short, long = found.short, found.long
        answers[0] = compare(short, long)
        if comm() == comm() and comm() in ("no", "nor this"):
            answers[0] = 0
    return 1


@record
class Sizes:
    small: Char = chars(4)
    after: u32
    large: Char = chars(20)
    last: u32


sizes = Hash[u32, Sizes](max_entries=4)


@raw_tracepoint("sys_enter")
def other_sizes(ctx: RawTracepointContext) -> int:
    found = sizes.get(1)
    if found is not None:
        found.small = comm()
        found.large = comm()
        local = Sizes(after=3, last=4)
        local.small = found.large
        local.large = found.small
        sizes[2] = local
    return 1


def test_text_of_another_size_is_cut_off_and_leaves_nothing_behind_it() -> None:
    with loaded(other_sizes) as session:
        session[sizes][1] = {"small": "x", "after": 7, "large": "z" * 20, "last": 8}
        assert fire(session, other_sizes) == 1
        own = Path("/proc/thread-self/comm").read_text().rstrip("\n")
        assert tuple(session[sizes][1].values()) == (own[:4], 7, own, 8)
        assert tuple(session[sizes][2].values()) == (own[:4], 3, own[:4], 4)


CASES = [
    (short, long)
    for short in ("", "a", "ab", "abc", "abcd", "é", "éx")
    for long in ("", "ab", "abc", "abcd", "abcde", "abcdefgh", "abcdefghi", "é", "x")
]


@pytest.mark.thorough
@pytest.mark.parametrize("probe", [by_fields, by_variables])
def test_texts_compare_as_in_python(probe: object) -> None:
    with loaded(probe) as session:  # type: ignore[arg-type]
        for short, long in CASES:
            session[names][1] = {"short": short, "long": long}
            assert fire(session, probe) == 1  # type: ignore[arg-type]
            expected = compare(short, long)  # type: ignore[arg-type]
            assert session[answers].view()[0] == expected, (short, long)
