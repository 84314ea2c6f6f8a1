"""Programs and libraries on disk: found by name, and where in the file a probe goes.

Source: the System V ABI (symbol tables, program headers); ``ld.so(8)`` for where libraries are.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from typing import NamedTuple

from pyebpf.errors import AttachError
from pyebpf.runtime.functions import find_function, functions_like
from pyebpf.runtime.ifunc import chosen_place
from pyebpf.runtime.image import GNU_IFUNC, Image, open_image
from pyebpf.runtime.mappings import mapped_files
from pyebpf.spec.patterns import is_expression

_FOLDERS = ("/usr/local/lib/*-linux-gnu", "/usr/local/lib", "/lib/*-linux-gnu",
            "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")  # fmt: skip
_OFFSET = re.compile(r"(?P<symbol>.+)\+(?P<offset>0x[0-9a-fA-F]+|[0-9]+)")


class Spot(NamedTuple):
    """Where a probe goes: ``offset`` bytes into a function, or into the file without a symbol."""

    binary: str
    symbol: str
    offset: int


def spot_of(hook: str) -> Spot:
    """Take ``binary:function+0x10``, ``binary:0x1234`` or ``binary:@0x401234`` apart.

    Names of functions have colons, ``shop::price(int)``, and so may paths.
    """
    ends = [at for at, sign in enumerate(hook) if sign == ":"]
    whole = [at for at in ends if "/" not in hook[:at] or os.path.isfile(hook[:at])]  # noqa: PTH113
    at = (whole or ends or [len(hook)])[0]
    binary, where = hook[:at], hook[at + 1 :]
    if where[:1].isdigit():
        return Spot(binary, "", int(where, 0))
    offset = None if is_expression(where) else _OFFSET.fullmatch(where)
    if offset is None:
        return Spot(binary, where, 0)
    return Spot(binary, offset["symbol"], int(offset["offset"], 0))


def find_binary(name: str) -> str:
    """Return the path of a program or library.

    Args:
        name: a path, a program on ``PATH``, or a library, ``"c"``, ``"libc"`` or ``"libc.so.6"``.

    Raises:
        AttachError: there is none; the message says where it was looked for.
    """
    if "/" in name:
        if os.path.isfile(name):  # noqa: PTH113 - a string is what the kernel takes
            # /proc/PID/exe and /proc/PID/root may lead to files that have no other path here.
            return name if name.startswith("/proc/") else os.path.realpath(name)
        raise AttachError(f"there is no file {name!r}", target=name)
    stem = name if ".so" in name else f"lib{name.removeprefix('lib')}.so"
    for library in _loaded(f"/{stem}"):
        return library
    for folder in _FOLDERS:
        for found in sorted(glob.glob(f"{folder}/{stem}*")):  # noqa: PTH207
            if _kind(found) == _kind("/proc/self/exe"):
                return os.path.realpath(found)
    program = shutil.which(name)
    if program:
        return os.path.realpath(program)
    raise AttachError(
        f"there is no library {stem} in {', '.join(_FOLDERS)}, and no program {name!r} on "
        "PATH: give the path of the file",
        target=name,
    )


def _kind(path: str) -> tuple[bytes, bytes]:
    """Return width and machine of an ELF file: libraries of others, and linker scripts, differ."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(20)
    except OSError:
        return b"", b""
    return head[:5], head[18:20]


def _loaded(part: str) -> list[str]:
    """Return the files that this process has mapped whose path has a part."""
    return sorted({row.path for row in mapped_files() if part in row.path})


def file_offset(path: str, symbol: str, offset: int = 0, pid: int = 0) -> int:
    """Return where in a file an instruction of a function is, in bytes.

    Args:
        path: a 64-bit ELF file.
        symbol: the function; without one, ``offset`` is from the start of the file.
        offset: bytes into it.
        pid: a process that runs it: asked for what was chosen when it started.

    Raises:
        AttachError: the file has no function of that name; the message names the nearest. Or there
            is no code at that offset.
        FormatError: it is no ELF file.
    """
    with open_image(path) as image:
        if not symbol:
            _check_code(image, offset)
            return offset
        function = find_function(image, symbol)
        if function.kind == GNU_IFUNC:
            return chosen_place(image, function, pid) + offset
        if function.size and offset >= function.size:
            raise AttachError(
                f"{symbol!r} of {path!r} has {function.size} bytes, and +{offset:#x} is behind its "
                "end",
                target=symbol,
            )
        return image.place(function.address) + offset


def _check_code(image: Image, offset: int) -> None:
    if any(s.is_code and s.offset <= offset < s.offset + s.size for s in image.segments):
        return
    meant = next((s for s in image.segments if s.is_code and s.holds(offset)), None)
    place = f"; what has the address {offset:#x} is at {meant.place(offset):#x}" if meant else ""
    raise AttachError(
        f"there is no code {offset:#x} bytes into the file {image.path!r}{place}",
        target=f"{offset:#x}",
    )


def offset_of_address(path: str, address: int) -> int:
    """Return where in a file what belongs at an address is, as ``objdump`` shows addresses.

    Raises:
        FormatError: nothing is loaded there, or it is no ELF file.
    """
    with open_image(path) as image:
        return image.place(address)


def matching_functions(path: str, pattern: str, pid: int = 0) -> list[tuple[str, int]]:
    """Return the functions of a file whose names match a pattern, and where in it they begin.

    Args:
        path: a 64-bit ELF file.
        pattern: as for :func:`pyebpf.spec.patterns.matcher`.
        pid: a process that runs it: asked for what was chosen when it started.

    Raises:
        AttachError: one of them is chosen when a program starts, and nobody can be asked.
        FormatError: it is no ELF file.
    """
    with open_image(path) as image:
        found = []
        for function in functions_like(image, pattern):
            if not function.size and not image.holds(function.address):
                continue  # a mark where code ends, as `runtime.etext` of Go
            chosen = function.kind == GNU_IFUNC
            place = chosen_place(image, function, pid) if chosen else image.place(function.address)
            found.append((function.name, place))
        return found


def function_names(path: str) -> list[str]:
    """Return the functions of a file, sorted, each once.

    Raises:
        FormatError: it is no ELF file.
    """
    with open_image(path) as image:
        return sorted({function.name for function in functions_like(image, "*")})
