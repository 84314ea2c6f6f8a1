"""Run compiled probes without a kernel: any operating system, no privileges, no LLVM.

A probe is compiled as far as this package's own intermediate language, and interpreted there on
contexts, kernel objects, maps and helper results that a test supplies::

    with testing.run(issue, complete) as t:
        t.set("ktime_get_ns", [1_000, 5_000])
        rq = t.kernel(request)
        t.fire(issue, rq=rq)
        t.fire(complete, rq=rq, error=0, nr_bytes=512)
        assert t[latency].counts[2] == 1

See ``docs/testing.md``.
"""

from __future__ import annotations

from pyebpf.ir.interp import ProbeFault
from pyebpf.testing.coverage import Coverage, FunctionCoverage
from pyebpf.testing.frozen import running, target
from pyebpf.testing.objects import KernelObject, UserMemory
from pyebpf.testing.simulation import Simulation, Step, run

__all__ = [
    "Coverage",
    "FunctionCoverage",
    "KernelObject",
    "ProbeFault",
    "Simulation",
    "Step",
    "UserMemory",
    "run",
    "running",
    "target",
]
