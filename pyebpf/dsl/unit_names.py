"""Names of the maps that the compiler adds to a unit; the session opens them by these names."""

from __future__ import annotations

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
