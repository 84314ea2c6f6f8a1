"""BTF: the types of a kernel, of its modules and of object files.

Here are the graph and its nodes. ``pyebpf.btf.layout`` has sizes, offsets and spellings,
``pyebpf.btf.core`` CO-RE relocations, ``pyebpf.btf.write`` makes BTF, and ``pyebpf.btf.system`` has
the running kernel's.
"""

from __future__ import annotations

from pyebpf.btf.parse import Btf, Store
from pyebpf.btf.types import Kind, Type, essential

__all__ = ["Btf", "Kind", "Store", "Type", "essential"]
