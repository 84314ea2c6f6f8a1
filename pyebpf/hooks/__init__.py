"""Which hooks there are, found by patterns, written as they stand in a program.

A kind of hooks is a class with two methods, :class:`pyebpf.hooks.kinds.Kind`, and a row in a table:
names are cheap, and only those that are shown are described.
"""

from pyebpf.hooks.entries import Binary, Entry
from pyebpf.hooks.kernel import KERNEL_KINDS, Sources
from pyebpf.hooks.kinds import Kind, matching
from pyebpf.hooks.user import BINARY_KINDS, binaries_of, binary_kinds

__all__ = [
    "BINARY_KINDS",
    "KERNEL_KINDS",
    "Binary",
    "Entry",
    "Kind",
    "Sources",
    "binaries_of",
    "binary_kinds",
    "matching",
]
