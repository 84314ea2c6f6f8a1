"""Symbols that a binary was stripped of: in a part of it, or in a file of their own.

Source: "Debugging Information in Separate Files" and "MiniDebugInfo" of the manual of GDB.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pyebpf.errors import FormatError
from pyebpf.lazy import lazy
from pyebpf.runtime.image import Image, open_image

if TYPE_CHECKING:
    import lzma
else:
    lzma = lazy("lzma")

#: Where distributions put what they strip.
DEBUG_FOLDER = "/usr/lib/debug"
_MOST_UNPACKED = 512 << 20
#: A file in the mount namespace of a process, as a container: its debug files are there too.
_INSIDE = re.compile(r"/proc/\d+/root(?=/)")


def images_with_symbols(image: Image) -> Iterator[Image]:
    """Yield a binary, then what else says which functions it has, at the same addresses."""
    yield image
    packed = image.section(".gnu_debugdata")
    if packed:
        with suppress(FormatError, lzma.LZMAError):
            # What it unpacks to is bounded: the file may be anybody's.
            data = lzma.LZMADecompressor().decompress(packed, _MOST_UNPACKED)
            yield Image(f"{image.path} (.gnu_debugdata)", data)
    ident = image.build_id()
    for path in _candidates(image, ident):
        with suppress(FormatError, OSError), open_image(path) as other:
            if _belongs(other, image, ident):
                yield other
                return


def _candidates(image: Image, ident: str) -> Iterator[str]:
    inside = _INSIDE.match(image.path)
    root = inside[0] if inside else ""
    for folder in dict.fromkeys((f"{root}{DEBUG_FOLDER}", DEBUG_FOLDER)):
        if ident:
            yield f"{folder}/.build-id/{ident[:2]}/{ident[2:]}.debug"
    name = _linked_name(image)
    if name:
        folder = os.path.dirname(image.path)  # noqa: PTH120 - quick to import
        installed = f"{root}{DEBUG_FOLDER}{folder.removeprefix(root)}"
        yield from (f"{folder}/{name}", f"{folder}/.debug/{name}", f"{installed}/{name}")


def _linked_name(image: Image) -> str:
    link = image.section(".gnu_debuglink") or b""
    return link.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _belongs(other: Image, image: Image, ident: str) -> bool:
    if ident or other.build_id():
        return other.build_id() == ident
    check = (image.section(".gnu_debuglink") or b"")[-4:]
    return zlib.crc32(other.data) == int.from_bytes(check, "little")
