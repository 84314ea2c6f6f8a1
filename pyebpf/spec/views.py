"""How a printed line is to be read: what user space needs to know beyond the record itself."""

from __future__ import annotations

from pyebpf.plain import Frozen


class PrintPart(Frozen):
    """One value of a printed line: where it is in the record and how to format it.

    ``size`` is 8 for numbers; text has its buffer's size. ``conversion`` is ``""``, ``"r"``,
    ``"s"`` or ``"a"``; ``format`` is Python's format specification. Each NUL in it stands for one
    of the values that follow, which are not shown by themselves.
    """

    offset: int
    size: int
    text: bool
    signed: bool
    conversion: str = ""
    format: str = ""
    boolean: bool = False
    #: ``"bytes"``, ``"IPv4Address"`` or ``"IPv6Address"``: it is copied like text.
    role: str = ""


class PrintSpec(Frozen):
    """A ``print`` of a probe: pieces of text, one more than the values between them."""

    literals: tuple[str, ...]
    values: tuple[PrintPart, ...]
    size: int
    end: str = "\n"
