"""A hook as it is written, with what it passes, and the binary that may have it."""

from __future__ import annotations

from pyebpf.plain import Frozen


class Entry(Frozen):
    """A hook.

    Attributes:
        kind: a row of the table of kinds.
        name: in the kernel or the binary.
        code: what to write: a decorator, or an expression.
        params: the parameters that a probe may have, and their annotations.
        result: what ``ret`` is annotated with, or what the probe must give; empty if nothing.
        fields: what the context has: name, annotation, the type in C.
        note: what else there is to know.
    """

    kind: str
    name: str
    code: str
    params: tuple[tuple[str, str], ...] = ()
    result: str = ""
    fields: tuple[tuple[str, str, str], ...] = ()
    note: str = ""

    @property
    def signature(self) -> str:
        """The parameters and the result, as behind the name of a function."""
        shown = ", ".join(f"{name}: {hint}" if hint else name for name, hint in self.params)
        return f"({shown})" + (f" -> {self.result}" if self.result else "")


class Binary(Frozen):
    """A program or library.

    Attributes:
        name: as a decorator names it.
        file: a path by which this process opens it.
        pid: the process that runs it; 0 for all.
    """

    name: str
    file: str
    pid: int = 0

    @property
    def process(self) -> str:
        """What a decorator says of the process, behind its other arguments."""
        return f", pid={self.pid}" if self.pid else ""
