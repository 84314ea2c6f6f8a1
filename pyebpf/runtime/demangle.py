"""Names of C++ and Rust as programmers write them, by the C++ library of this machine.

Who traces programs in these languages has it; without it there are the names of the linker.

Source: the Itanium C++ ABI, ``__cxa_demangle``.
"""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any

_LIBRARIES = ("libstdc++.so.6", "libc++abi.so.1")
#: What Rust appends to tell versions of a crate apart.
_RUST_HASH = re.compile(r"::h[0-9a-f]{16}$")


@cache
def _library() -> Any:
    for name in _LIBRARIES:
        try:
            found = ctypes.CDLL(name)["__cxa_demangle"]
        except (OSError, AttributeError):
            continue
        found.restype = ctypes.c_void_p
        found.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        return found
    return None


def demangled(name: str) -> str:
    """Return what the linker's name stands for, ``"shop::price(int)"``; the same if unknown."""
    library = _library() if name.startswith("_Z") else None
    if library is None:
        return name
    status = ctypes.c_int()
    address = library(name.encode(), None, None, ctypes.byref(status))
    if not address:
        return name
    text = ctypes.string_at(address).decode("utf-8", "replace")
    ctypes.CDLL(None).free(ctypes.c_void_p(address))
    return _RUST_HASH.sub("", text)


def stands_for(name: str, wanted: str) -> bool:
    """Tell whether the linker's name is that of a function, given with its parameters or without.

    Spaces make no difference.
    """
    shown, asked = (text.replace(" ", "") for text in (demangled(name), wanted))
    return asked in (shown, _without_parameters(shown))


def _without_parameters(text: str) -> str:
    end = text.rfind(")")
    depth = 0
    for at in range(end, -1, -1):
        depth += (text[at] == ")") - (text[at] == "(")
        if not depth and at < end:
            return text[:at]
    return text
