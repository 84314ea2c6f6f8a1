"""Names of functions by address, of the kernel and of processes, and counted stacks to draw.

``session[stacks]`` uses this itself. It is here for addresses from elsewhere::

    symbols = Symbols()
    symbols.names([0x7F3A_1C02_4B10], pid=1234)  # ["getenv"]
"""

from __future__ import annotations

from pyebpf.present.flame import FlameGraph
from pyebpf.present.stacks import CountedStack, StackCounts
from pyebpf.runtime.symbols import Frame, Symbols

__all__ = ["CountedStack", "FlameGraph", "Frame", "StackCounts", "Symbols"]
