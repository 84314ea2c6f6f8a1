"""Stubs: what the kernel has, as ``.pyi`` files for editors and type checkers.

``write`` is the whole of it. The files are a package of their own, ``pyebpf_stubs``, which
``pyebpf/kernel.pyi``, ``tracepoints.pyi`` and ``kfuncs.pyi`` import from; what is not in them stays
``Any``.
"""

from pyebpf.stubs.files import Written, write
from pyebpf.stubs.wanted import Wanted, in_program, matching, python_files, similar

__all__ = ["Wanted", "Written", "in_program", "matching", "python_files", "similar", "write"]
