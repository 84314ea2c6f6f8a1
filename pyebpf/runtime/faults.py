"""The diagnostics of the run half."""

from __future__ import annotations

from typing import ClassVar

from pyebpf.diag.diagnostic import Diagnostic


class RefusedByVerifier(Diagnostic):
    """The kernel follows every path through a program first, and cannot accept one of them.

    For a program that this package compiled from Python this is a bug in the compiler: please
    report it. An object that was built elsewhere has to be changed in its source.

    Wrong: ``return map_value->count`` after a lookup that may have found nothing.
    Right: ``if (!map_value) return 0;`` first.
    """

    code: ClassVar[str] = "E0501"
    title: ClassVar[str] = "the kernel refused `{program}`: {reason}"
    label: ClassVar[str] = "the verifier stopped here"
    help: ClassVar[str] = "{hint}"
    program: str
    reason: str
    hint: str
