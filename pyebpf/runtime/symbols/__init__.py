"""Functions by address: what the addresses of a call stack are called.

One file for each source of names: the kernel's list, symbol tables of files, what compilers inside
processes say, the vDSO. ``machine`` puts them together.
"""

from __future__ import annotations

from pyebpf.runtime.symbols.frame import Frame
from pyebpf.runtime.symbols.machine import Symbols

__all__ = ["Frame", "Symbols"]
