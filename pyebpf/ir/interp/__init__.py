"""An interpreter of our intermediate language: no LLVM, no kernel, any operating system.

Numbers are Python's, wrapped at the widths of their types. Pointers are 64-bit addresses in a
memory of regions, so that whatever a program does with an address has the meaning it has in the
kernel, and every access is checked against the region that it falls into.
"""

from __future__ import annotations

from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.machine import Machine
from pyebpf.ir.interp.memory import Memory, Region

__all__ = ["Machine", "Memory", "ProbeFault", "Region"]
