"""The frame of a tool: options, intervals, output, exit codes.

A tool is a module with declarations, probes and a ``report``; :class:`Tool` makes a program of it,
and :func:`run` one of a script.
:func:`main` is the program ``pyebpf``, which runs them. Nothing here imports numpy or the compiler
before probes are attached.
"""

from pyebpf.cli.front import main
from pyebpf.cli.tool import Tool, run
from pyebpf.present.table import Column, Table

__all__ = ["Column", "Table", "Tool", "main", "run"]
