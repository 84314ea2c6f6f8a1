"""What tests may know of the machine that they are on: whose it is, and how fast.

How much slower an emulated machine is tells the same loop in Python, timed inside and outside.
"""

from __future__ import annotations

import os
import time

#: The variable that carries the time of the loop into the machine, in seconds.
NATIVE_LOOP = "PYEBPF_NATIVE_LOOP_S"
#: The variable that says to tests that nobody else is on the machine.
OWN_MACHINE = "PYEBPF_OWN_MACHINE"
_TURNS, _TIMES = 300_000, 5


def is_alone() -> bool:
    """Tell whether this is a machine for tests, and nobody else is on it."""
    return OWN_MACHINE in os.environ


def loop_s() -> float:
    """Return what the loop takes here, in seconds: the least of some times."""
    took = []
    for _ in range(_TIMES):
        begin, total = time.perf_counter(), 0
        for number in range(_TURNS):
            total += number * number % 7
        took.append(time.perf_counter() - begin)
    return min(took)
