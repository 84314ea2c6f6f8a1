"""Where every type of a BTF blob starts, and which types have a given name.

Types have different lengths, so that the only way to the last one leads past all others, and names
are not sorted. Tables of both are made once and are cheap to keep on disk. Most names of a kernel
are of functions, which are looked for the least, so that they have a table of their own.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING
from zlib import crc32

from pyebpf.btf.types import essential
from pyebpf.errors import FormatError

if TYPE_CHECKING:
    from mmap import mmap

_KINDS = 19
#: What follows the 12 bytes that all kinds have, in 32-bit words: once, and per element.
_FIXED = {1: 1, 3: 3, 14: 1, 17: 1}
_EACH = {4: 3, 5: 3, 6: 2, 13: 2, 15: 3, 19: 3}

_FUNC = 12


class _Steps(dict[int, int]):
    """The length of a type in words, by its ``info`` word: a few hundred differ in a kernel."""

    def __missing__(self, info: int) -> int:
        kind, count = info >> 24 & 0x7F, info & 0xFFFFFF
        if not 0 < kind <= _KINDS:
            msg = f"BTF has a type of kind {kind}, which is unknown (known are 1 to {_KINDS})"
            raise FormatError(msg)
        step = self[info] = 3 + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * count
        return step


def walk(words: Sequence[int]) -> array[int]:
    """Return where each type starts in a type section, counted in 32-bit words.

    Raises:
        FormatError: an unknown kind, or a last type that is cut short.
    """
    starts, steps, at, end = array("I"), _Steps(), 0, len(words)
    try:
        # Tight on purpose: this loop is most of the time a cold start spends on kernel types.
        starts.extend(_starts(words, steps, end))
        if starts:
            at = starts[-1] + steps[words[starts[-1] + 1]]
    except IndexError:
        at = end + 1
    if at != end:
        msg = f"BTF is cut short: type {len(starts)} does not end where the type section does"
        raise FormatError(msg)
    return starts


def _starts(words: Sequence[int], steps: _Steps, end: int) -> Iterator[int]:
    at = 0
    while at < end:
        yield at
        at += steps[words[at + 1]]


class NameTable:
    """A hash table from the essential name of a type to where the types of that name start.

    ``heads[h]`` is the number of the last entry whose name hashes to ``h``, ``chain[n]`` the number
    of the one before entry ``n``. Entries count from 1; 0 ends a chain.
    """

    def __init__(self, heads: Sequence[int], entries: Sequence[int], chain: Sequence[int]) -> None:
        self.heads, self.entries, self.chain = heads, entries, chain

    @classmethod
    def build(cls, entries: Sequence[int], names: Sequence[bytes]) -> NameTable:
        """Index the types that start at ``entries`` and have ``names``."""
        mask = (1 << max(4, len(entries).bit_length() - 1)) - 1
        heads, chain = [0] * (mask + 1), [0]
        for number, text in enumerate(names, 1):
            bucket = (_hash(text) if b"___" in text else crc32(text)) & mask
            chain.append(heads[bucket])
            heads[bucket] = number
        return cls(heads, [0, *entries], chain)

    def candidates(self, name: str) -> list[int]:
        """Return where the types start whose essential name may be that of ``name``, ascending."""
        number = self.heads[_hash(encode(name)) & (len(self.heads) - 1)]
        found = []
        while number:
            found.append(self.entries[number])
            number = self.chain[number]
        return found[::-1]

    def dump(self, length: int) -> bytes:
        """Return the table as bytes; ``length`` is that of the BTF it belongs to."""
        return dump(length, self.heads, self.entries, self.chain)

    @classmethod
    def load(cls, data: bytes | None, length: int) -> NameTable | None:
        """Return the table that :meth:`dump` wrote; None if there is none for this BTF."""
        tables = load(data, length, 3)
        return None if tables is None else cls(*tables)


def named(words: Sequence[int], starts: Sequence[int], *, functions: bool) -> list[int]:
    """Return where the types with a name start: the functions, or all others."""
    return [at for at in starts if words[at] and (words[at + 1] >> 24 == _FUNC) is functions]


def encode(name: str) -> bytes:
    """Return a name as BTF holds it. Any bytes survive the way to ``str`` and back."""
    return name.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    """Return bytes of BTF as a name."""
    return name.decode("utf-8", "surrogateescape")


def _hash(name: bytes) -> int:
    return crc32(encode(essential(decode(name))))


def dump(length: int, *tables: Sequence[int]) -> bytes:
    """Return tables as bytes, for a BTF blob of ``length`` bytes."""
    head = array("I", [length, *map(len, tables)])
    return b"".join(array("I", table).tobytes() for table in (head, *tables))


def load(data: bytes | None, length: int, count: int) -> list[Sequence[int]] | None:
    """Return ``count`` tables that :func:`dump` wrote; None if they are not for this blob."""
    if data is None or len(data) % 4 or len(data) < 4 * (count + 1):
        return None
    words = memoryview(data).cast("I")
    belongs, *sizes = words[: count + 1]
    if belongs != length or sum(sizes) + count + 1 != len(words):
        return None
    at, tables = count + 1, []
    for size in sizes:
        tables.append(words[at : at + size])
        at += size
    return tables  # type: ignore[return-value]


def read_all(text: bytes, offsets: Sequence[int]) -> list[bytes]:
    """Return the strings of a section at many offsets."""
    if offsets and max(offsets) >= len(text):
        msg = f"BTF names a string at {max(offsets)}, outside of its {len(text)} bytes of strings"
        raise FormatError(msg)
    find = text.find
    return [text[at : find(b"\0", at)] for at in offsets]


def strings(data: bytes | mmap, start: int, end: int) -> Callable[[int], bytes]:
    """Return a function that reads a string of the section from ``start`` to ``end``."""
    find = data.find

    def read(offset: int) -> bytes:
        begin = start + offset
        stop = find(b"\0", begin, end)
        if offset < 0 or stop < 0:
            msg = f"BTF names a string at {offset}, outside of its {end - start} bytes of strings"
            raise FormatError(msg)
        return data[begin:stop]

    return read
