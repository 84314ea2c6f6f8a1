"""What a pass may know besides its function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyebpf.diag import Diagnostic, Diagnostics

if TYPE_CHECKING:
    from pyebpf.ir.nodes import Function
    from pyebpf.spec.target import Target


@dataclass(frozen=True)
class Context:
    """The target, where to report, and where to put functions that a pass makes."""

    target: Target
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    #: Functions that the pass running now has made; the passes after it see them too.
    made: list[Function] = field(default_factory=list)

    def report(self, item: Diagnostic) -> None:
        """Report a fault of the user's program."""
        self.diagnostics.report(item)
