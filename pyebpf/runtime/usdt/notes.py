"""The notes that ``sys/sdt.h`` leaves in a binary, one for each place that has a probe.

Source: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation; the System V ABI for the
form of notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING

from pyebpf.errors import FormatError
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.runtime.image import Image

#: Owner and type of a note about a probe.
_OWNER, _TYPE = b"stapsdt\0", 3
#: One byte, whose address the note repeats: tools that move code (prelink) leave notes as they are.
_BASE_SECTION = ".stapsdt.base"

# name size | description size | type
_NOTE = Struct("<III")
# the instruction | where the linker put the base | the semaphore, or 0
_ADDRESSES = Struct("<QQQ")


class Site(Frozen):
    """One place that has a probe.

    Attributes:
        provider: who put it there, in most cases the program.
        name: of the probe.
        address: of the instruction, as the file counts.
        semaphore: address of the 16-bit number that counts who looks; 0 if there is none.
        arguments: where they are, as the note has it: ``"-4@%edi 8@-8(%rbp)"``.
    """

    provider: str
    name: str
    address: int
    semaphore: int
    arguments: str

    @property
    def probe(self) -> str:
        """Provider and name, ``"libc:setjmp"``."""
        return f"{self.provider}:{self.name}"


def sites_of(image: Image) -> list[Site]:
    """Return every probe of a binary, in the order of its notes.

    Raises:
        FormatError: a note is damaged.
    """
    base = image.section_address(_BASE_SECTION)
    found = []
    for data in image.notes():
        for owner, kind, text in _notes(data, image.path):
            if (owner, kind) == (_OWNER, _TYPE):
                found.append(_site(text, base, image.path))
    return found


def _notes(data: bytes, path: str) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at + _NOTE.size <= len(data):
        name_size, size, kind = _NOTE.unpack_from(data, at)
        name = at + _NOTE.size
        text = name + _aligned(name_size)
        if text + size > len(data):
            raise FormatError(f"{path}: a note reaches beyond the end of its section")
        yield data[name : name + name_size], kind, data[text : text + size]
        at = text + _aligned(size)


def _aligned(size: int) -> int:
    return (size + 3) & ~3


def _site(data: bytes, base: int | None, path: str) -> Site:
    words = data[_ADDRESSES.size :].split(b"\0")
    if len(data) < _ADDRESSES.size or len(words) < 4:
        raise FormatError(f"{path}: the note of a USDT probe is cut off")
    address, linked, semaphore = _ADDRESSES.unpack_from(data)
    moved = 0 if base is None else base - linked
    provider, name, arguments = (word.decode("utf-8", "replace") for word in words[:3])
    return Site(provider, name, address + moved, semaphore and semaphore + moved, arguments)
