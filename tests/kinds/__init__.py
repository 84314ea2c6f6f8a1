"""One small program for each kind that has a decorator, and what makes it run: the proof.

``case.py`` says how far a program comes on the running kernel, the other modules hold the programs,
a family each. ``tests/kernel/test_kinds.py`` runs them as tests, ``python -m tests.kinds`` prints
what came of them, ``python -m tests.vm kinds`` makes ``docs/kinds-on-kernels.md`` of that.
"""

from tests.kinds import (
    cgroup_addresses,
    cgroups,
    devices,
    functions,
    packets,
    processes,
    security,
    sockets,
    tracing,
)
from tests.kinds.case import CASES, Outcome, run

__all__ = [
    "CASES",
    "Outcome",
    "cgroup_addresses",
    "cgroups",
    "devices",
    "functions",
    "packets",
    "processes",
    "run",
    "security",
    "sockets",
    "tracing",
]
