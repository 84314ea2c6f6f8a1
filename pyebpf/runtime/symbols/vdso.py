"""The functions that the kernel gives every process, in a library without a file.

Source: ``vdso(7)``.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

from pyebpf.errors import FormatError
from pyebpf.runtime.image import Image
from pyebpf.runtime.mappings import Mapping, mappings
from pyebpf.runtime.symbols.elf_symbols import functions_of
from pyebpf.runtime.symbols.table import Table

NAME = "[vdso]"
#: What is below belongs to 32-bit processes, whose vDSO is another one.
_LOW = 1 << 32


def vdso_functions(row: Mapping) -> Table | None:
    """Return the functions of the vDSO by their places in it: ours, if that mapping is like it."""
    size, table = _ours()
    return table if row.start >= _LOW and row.end - row.start == size else None


@cache
def _ours() -> tuple[int, Table | None]:
    """Return the size of the vDSO of this process, and its functions."""
    with suppress(OSError, FormatError, StopIteration):
        row = next(row for row in mappings() if row.path == NAME)
        image = Image(NAME, ctypes.string_at(row.start, row.end - row.start))
        return row.end - row.start, functions_of(image)
    return 0, None
