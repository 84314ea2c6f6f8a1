"""Names of what an object holds: the maps that the compiler adds, and what Python's names become.

The session opens the maps by these names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Counts refused updates: number 0 is for printed lines, the others for maps in the order of use.
#: A variable in a section, thus a map, of its own; a map where the kernel has no variables.
LOST_MAP = "pyebpf_lost"
LOST_SECTION = ".data.lost"
LOST_SLOTS = 512
#: Counts loops that were cut short because the kernel makes no more turns.
LOOPS_SLOT, LOOPS_NAME = LOST_SLOTS - 1, "loops cut short"
#: Counts runs of a program that was started again on its CPU while it used its large variables.
NESTED_SLOT, NESTED_NAME = LOST_SLOTS - 2, "programs that interrupted themselves"
#: Zeros, for values larger than the stack.
ZERO_MAP = "pyebpf_zero"
#: Carries what ``print`` in a probe says.
PRINT_MAP = "pyebpf_print"
PRINT_PAGES = 64
#: Holds the global variables; named as libbpf names the map of the section ``.data``.
DATA_MAP = ".data"

#: What the object itself needs: a map or variable of the program has another name there.
_TAKEN = frozenset({LOST_MAP, PRINT_MAP, "license", "_license"})


def object_name(name: str) -> str:
    """Return a name of Python's as the kernel takes it, which knows ASCII only."""
    return name if name.isascii() else "".join(c if c.isascii() else "_" for c in name)


def map_name(name: str) -> str:
    """Return the name of a map or variable that has this one in Python."""
    is_taken = name in _TAKEN or name.startswith(ZERO_MAP)
    return object_name(f"{name}_" if is_taken else name)


def numbered(name: str, names: Iterable[str]) -> str:
    """Return a name of an object, with a number where others have it."""
    plain = object_name(name)
    number = 1 + sum(other.startswith(plain) for other in names)
    return plain if number == 1 else f"{plain}_{number}"
