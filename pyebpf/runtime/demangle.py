"""Names of C++ and Rust as programmers write them: C++ by the C++ library of this machine.

Who traces programs in C++ has it; without it there are the names of the linker.

Source: the Itanium C++ ABI, ``__cxa_demangle``.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from pyebpf.runtime import rust_names

_LIBRARIES = ("libstdc++.so.6", "libc++abi.so.1")


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
    if name.startswith("_R"):
        return rust_names.v0(name) or name
    of_rust = rust_names.legacy(name)
    if of_rust is not None:
        return of_rust
    library = _library() if name.startswith("_Z") else None
    if library is None:
        return name
    status = ctypes.c_int()
    address = library(name.encode("utf-8", "replace"), None, None, ctypes.byref(status))
    if not address:
        return name
    text = ctypes.string_at(address).decode("utf-8", "replace")
    ctypes.CDLL(None).free(ctypes.c_void_p(address))
    return text


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
