"""What options of tools with specifiers say."""

# pathlib costs a start 4 ms.
# ruff: noqa: PTH113, PTH119, PTH120, PTH122

from __future__ import annotations

import importlib
import os
import sys

_LONGEST = 4_096  # what a probe reads as one text


def module_named(word: str) -> tuple[str, ...]:
    """Find a module of Python; what a header of C declares, the kernel's own types say."""
    stem, suffix = os.path.splitext(os.path.basename(word))
    if suffix == ".h":
        return ()
    if suffix == ".py":
        if not os.path.isfile(word):
            raise ValueError(f"there is no file {word!r}")
        sys.path.insert(0, os.path.dirname(os.path.realpath(word)))
    name = stem if suffix == ".py" else word
    try:
        importlib.import_module(name)
    except ImportError as err:
        raise ValueError(f"there is no module {name!r}: {err}") from None
    return (name,)


def size_of(text: str) -> int:
    """Read how many bytes a text may have."""
    if not text.isdecimal() or not 0 < int(text) <= _LONGEST:
        raise ValueError(f"{text!r} is no size of a text: 1 to {_LONGEST} bytes")
    return int(text)
