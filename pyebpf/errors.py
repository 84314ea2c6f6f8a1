"""The exceptions a caller may want to catch.

An exception type exists only where a caller would tell it apart from its parent; everything else is
said in the message.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pyebpf import colour

if TYPE_CHECKING:
    from collections.abc import Callable

#: What tracing needs, and how a notebook's kernel gets it: it has what Jupyter was started with.
_BOTH = ("CAP_BPF", "CAP_PERFMON")


class PyebpfError(Exception):
    """Anything this package refuses or fails to do.

    Attributes:
        program: the program that could not be loaded or attached, where it is about one.
    """

    program: str = ""


class _SourceError(PyebpfError):
    """An error of the user's program, at a line of it that ``str()`` shows."""

    def _render_traceback_(self) -> list[str]:
        # IPython calls this instead of printing a traceback: the user's line is what matters.
        text = str(self) + _for_notebooks(getattr(self, "capability", None))
        return (colour.paint(text) if colour.wanted(sys.stdout) else text).split("\n")


def _for_notebooks(capability: str | None) -> str:
    """Say how to run Jupyter with a capability that is missing; nothing if none is."""
    if not capability:
        return ""
    wanted = dict.fromkeys((*_BOTH, capability))
    names = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in wanted)
    return (
        f"\n\nA notebook's kernel has the capabilities that Jupyter was started with. "
        f"With {' and '.join(wanted)}:\n"
        '  sudo setpriv --reuid="$(id -u)" --regid="$(id -g)" --init-groups \\\n'
        f"    --inh-caps={names} --ambient-caps={names} \\\n"
        '    env HOME="$HOME" PATH="$PATH" jupyter lab'
    )


class CompileError(_SourceError):
    """A probe cannot be compiled. ``str()`` is the rendered list of its diagnostics.

    Attributes:
        diagnostics: the faults found, in source order (``pyebpf.diag.Diagnostic``).
    """

    def __init__(self, message: str, diagnostics: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class FormatError(PyebpfError):
    """Bytes that should be an ELF object, BTF, or another binary format are not."""


class KernelError(PyebpfError, OSError):
    """A system call failed. ``errno`` is the kernel's; the message says what was tried.

    Attributes:
        capability: the capability that is missing, such as ``"CAP_BPF"``, when that is the cause.
    """

    def __init__(self, errno: int, message: str, *, capability: str | None = None) -> None:
        OSError.__init__(self, errno, message)
        self.capability = capability

    def __str__(self) -> str:
        return str(self.strerror)

    @property
    def _render_traceback_(self) -> Callable[[], list[str]]:
        # IPython looks for it: where a right is missing, the lines that led here say nothing.
        if self.capability is None:
            raise AttributeError("this error has a traceback")
        return lambda: f"{self}{_for_notebooks(self.capability)}".split("\n")


class LoadError(PyebpfError):
    """The kernel did not take a map, a program or a BTF blob."""


class PinError(LoadError):
    """Something cannot be pinned, or is not what is pinned.

    Attributes:
        path: where.
    """

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path


class VerifierError(_SourceError, LoadError):
    """The kernel's verifier refused a program. ``str()`` names the Python line.

    Attributes:
        log: the verifier's whole log.
        span: where in the Python source the refused instruction comes from, if known.
        hint: what to write instead, if known.
        capability: the capability that is missing, when that is the cause.
    """

    def __init__(
        self,
        message: str,
        *,
        log: str = "",
        span: object | None = None,
        hint: str | None = None,
        capability: str | None = None,
    ) -> None:
        super().__init__(message)
        self.capability = capability
        self.log = log
        self.span = span
        self.hint = hint


class RelocationError(LoadError):
    """A type, field or symbol that the object needs is not in this kernel or object."""


class AttachError(PyebpfError):
    """A loaded program could not be attached.

    Attributes:
        target: what it should be attached to, such as ``"sched:sched_switch"``.
    """

    def __init__(self, message: str, *, target: str = "") -> None:
        super().__init__(message)
        self.target = target


class NotSupportedError(PyebpfError):
    """This kernel, or this machine's policy, lacks a feature.

    Attributes:
        feature: the row in ``pyebpf.runtime.features``.
        since: the Linux version that brought it, for the message only; features are probed.
    """

    def __init__(self, message: str, *, feature: str = "", since: str = "") -> None:
        super().__init__(message)
        self.feature = feature
        self.since = since


class RecordingError(PyebpfError):
    """A recording cannot be written, or not on: what is in the file already stays there."""


class OtherKernelError(PyebpfError):
    """A file of types, or a target, is not of the kernel or machine that runs."""


class MapFullError(KernelError):
    """A map has no room for another key (``E2BIG`` or ``ENOSPC``)."""


class InternalError(PyebpfError):
    """A bug in this package, not in the caller's program: please report it."""
