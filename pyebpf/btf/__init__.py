"""BTF: the types of a kernel, of its modules and of object files.

Here are the graph and its nodes. ``pyebpf.btf.layout`` has sizes, offsets and spellings,
``pyebpf.btf.core`` CO-RE relocations, ``pyebpf.btf.write`` makes BTF, and ``pyebpf.btf.system`` has
the running kernel's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.btf.types import Kind, Type, essential
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.btf.parse import Btf, Store

__all__ = ["Btf", "Kind", "Store", "Type", "essential"]

_parse = lazy("pyebpf.btf.parse")


def __getattr__(name: str) -> Any:
    # A warm start imports this package and never parses a BTF blob.
    if name in ("Btf", "Store"):
        return getattr(_parse, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
