"""What all programs share: the maps and records before them, the probe that runs them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.differential.generator.ranges import U64_HIGH

ARGUMENTS = 4
DECLARATIONS = """\
@record
class Rec:
    a: u8
    b: i16
    c: i64


@union
class Either:
    whole: u64
    halves: FixedArray[u32] = array(2)
    low: i8


@record
class Row:
    n: i32
    text: Char = chars(9)


@record
class Sheet:
    count: u16
    kind: Either
    rows: FixedArray[Row] = array(3)
    marks: FixedArray[i8] = array(5)


out = Array[u64](max_entries=1)
cells = Array[i64](max_entries=16)
table = Hash[u32, u64](max_entries=4096)
pairs = Hash[tuple[u8, i16], i32](max_entries=4096)
recs = Hash[u8, Rec](max_entries=256)
words = Hash[u8, Row](max_entries=256)
sheets = Hash[u8, Sheet](max_entries=256)


"""
HEAD = "from pyebpf import *\n\n\n" + DECLARATIONS
#: The fields of each record, by what they are: a width, "text", a record, or an array of these.
RECORDS: dict[str, dict[str, str | tuple[str, int]]] = {
    "Rec": {"a": "u8", "b": "i16", "c": "i64"},
    "Either": {"whole": "u64", "halves": ("u32", 2), "low": "i8"},
    "Row": {"n": "i32", "text": "text"},
    "Sheet": {"count": "u16", "kind": "Either", "rows": ("Row", 3), "marks": ("i8", 5)},
}
#: What is in the map `words` when a program starts: each run puts texts under these keys.
WORDS = 4
TEXTS = (
    *("", "a", "b", "ab", "ba", "abc", "abcd", "bcdefgh", "abcdefghi", "a b", "Ab", "12", "é"),
    *("aé", "éa", "ébc", "éé", "€", "a€b", "😀", "a😀b", "é€😀", "ab\udcc3", "\udce2\udc82a"),
)


def probe(name: str) -> str:
    """Return the probe that runs a program."""
    given = ", ".join(f"ctx.args[{i}]" for i in range(ARGUMENTS))
    return (
        f'@raw_tracepoint("sys_enter")\ndef p_{name}(ctx: RawTracepointContext) -> int:\n'
        f"    out[0] = {name}({given})\n    return 1\n\n\n"
    )


def inputs(seed: int, count: int) -> Iterator[tuple[int, ...]]:
    """Yield arguments as 64-bit words: small, near the edges of widths, and any."""
    chosen = random.Random(~seed)
    for _ in range(count):
        words = []
        for _ in range(ARGUMENTS):
            kind = chosen.randrange(4)
            if kind == 0:
                word = chosen.randrange(-4, 20)
            elif kind == 1:
                word = (1 << chosen.choice([7, 8, 15, 16, 31, 32, 63])) + chosen.randrange(-2, 2)
            elif kind == 2:
                word = chosen.randrange(256)
            else:
                word = chosen.getrandbits(64)
            words.append(word & U64_HIGH)
        yield tuple(words)


def texts(args: tuple[int, ...]) -> tuple[str, ...]:
    """Return the texts that are in `words` when a program starts, chosen by its arguments."""
    chosen = random.Random(repr(args))
    return tuple(chosen.choice(TEXTS) for _ in range(WORDS))
