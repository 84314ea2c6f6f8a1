"""How counted stacks are printed: as blocks with a line for each function, or folded."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from pyebpf.cli.output import clock
from pyebpf.plain import Frozen
from pyebpf.present.escape import printable

if TYPE_CHECKING:
    from pyebpf.present.stacks import StackCounts
    from pyebpf.session import Session


@cache
def symbols() -> Any:
    """Return the ``Symbols`` that names functions of the kernel, read once, and of processes."""
    # By name: it imports numpy, which a tool needs only after its probes are attached.
    return importlib.import_module("pyebpf.symbols").Symbols()


def stack_counts(stacks: Iterable[tuple[Any, ...]], *, unit: str) -> StackCounts:
    """Return stacks that a tool has named itself.

    Args:
        stacks: the fields of ``pyebpf.symbols.CountedStack`` for each.
        unit: what the counts are of.
    """
    # By name: it imports numpy, which a tool needs only after its probes are attached.
    symbols: Any = importlib.import_module("pyebpf.symbols")
    counts: StackCounts = symbols.StackCounts(
        (symbols.CountedStack(*stack) for stack in stacks), unit=unit
    )
    return counts


class StackLayout(Frozen):
    """Blocks of lines, the largest count last, or a line for each stack. A result is StackCounts.

    Attributes:
        folded: the option for lines.
        delimited: the option for a delimiter between kernel and user stacks, if there is one.
        marked: the option for ``_[k]`` behind functions of the kernel, if there is one.
        head: what stands before the process.
    """

    folded: Any
    delimited: Any = False
    marked: Any = False
    head: str = "-"
    stamps: bool = True
    lead: str = ""

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def text(self, session: Session, result: StackCounts, /) -> str:
        """Return all stacks of a ``result``."""
        delimited, marks = session.option(self.delimited), session.option(self.marked)
        if session.option(self.folded):
            text = result.folded(marks=marks, delimiter="-" if delimited else "")
            return f"{text}\n" if text else ""
        delimiter = "--" if delimited else ""
        text = result.listed(marks=marks, delimiter=delimiter, head=self.head)
        return f"\n{text}\n" if text else "\n"


class OutstandingLayout(Frozen):
    """Stacks with what was allocated there and not given back, the most last.

    A result is a list of mappings, the most first: ``bytes``, ``allocations``, ``stack`` (its
    functions, the innermost first), and ``places`` if those are to be shown: addresses and sizes.

    Attributes:
        top: the option for how many.
    """

    top: Any
    stamps: bool = True
    lead: str = ""

    def begin(self) -> str:
        """Return nothing."""
        return ""

    def text(self, session: Session, result: Any, /) -> str:
        """Return all stacks of a ``result``, below the time of day."""
        number = session.option(self.top)
        lines = [f"[{clock()}] Top {number} stacks with outstanding allocations:"]
        for row in reversed(result):
            lines += [f"\taddr = {at:x} size = {size}" for at, size in row.get("places", ())]
            lines.append(f"\t{row['bytes']} bytes in {row['allocations']} allocations from stack")
            lines += [f"\t\t{printable(function)}" for function in row["stack"]]
        return "\n".join(lines) + "\n"
