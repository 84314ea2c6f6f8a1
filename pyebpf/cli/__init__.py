"""The frame of a tool: options, intervals, output, exit codes.

A tool is a module with declarations, probes and a ``report``, or the :class:`Lines` that it prints;
:class:`Tool` makes a program of it, and :func:`run` one of a script.
:func:`main` is the program ``pyebpf``, which runs them. Nothing here imports numpy or the compiler
before probes are attached.
"""

from pyebpf.cli.front import main
from pyebpf.cli.lines import Clock, Column, Elapsed, Lines
from pyebpf.cli.tool import Tool, run

__all__ = ["Clock", "Column", "Elapsed", "Lines", "Tool", "main", "run"]
