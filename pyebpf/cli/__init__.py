"""The frame of a tool: options, intervals, output, exit codes.

A tool is a module with declarations, probes and a ``report``, or the :class:`Lines` that it prints;
:class:`Tool` makes a program of it, and :func:`run` one of a script. Reports are blocks of text,
rows of a table that grows (:class:`Rolling`), or a screen each (:class:`Screen`).
:func:`main` is the program ``pyebpf``, which runs them. Nothing here imports numpy or the compiler
before probes are attached.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pyebpf.cli.layout import Part, Rates, Rolling, Screen, Stamped, averaged, drawn
from pyebpf.cli.lines import Below, Clock, Column, Csv, Elapsed, Lines, widened
from pyebpf.cli.options import UsageError, numbers, positive, whole
from pyebpf.cli.stacks import OutstandingLayout, StackLayout, stack_counts
from pyebpf.cli.tool import Tool, run
from pyebpf.present.escape import printable
from pyebpf.present.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program ``pyebpf`` and return its exit code, as :meth:`Tool.main` does."""
    front = import_module("pyebpf.cli.front")  # a tool that is a program itself does without
    status: int = front.main(argv)
    return status


__all__ = [
    "Below", "Clock", "Column", "Csv", "Elapsed", "Lines", "OutstandingLayout", "Part", "Rates",
    "Rolling", "Screen", "StackLayout", "Stamped", "Table", "Tool", "UsageError", "averaged",
    "drawn", "main", "numbers", "positive", "printable", "run", "stack_counts", "whole", "widened",
]  # fmt: skip
