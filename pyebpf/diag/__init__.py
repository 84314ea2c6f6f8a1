"""Spans and diagnostics: everything needed to say what is wrong and where."""

from pyebpf.diag.diagnostic import Diagnostic, Diagnostics, render
from pyebpf.diag.span import Source, Span

__all__ = ["Diagnostic", "Diagnostics", "Source", "Span", "render"]
