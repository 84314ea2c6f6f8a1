"""What a pass may know besides its function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyebpf.diag import Diagnostic, Diagnostics

if TYPE_CHECKING:
    from pyebpf.spec.target import Target


@dataclass(frozen=True)
class Context:
    """The target, and where to report."""

    target: Target
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def report(self, item: Diagnostic) -> None:
        """Report a fault of the user's program."""
        self.diagnostics.report(item)
