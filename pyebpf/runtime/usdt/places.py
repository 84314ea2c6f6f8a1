"""Where an argument can be."""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from pyebpf.plain import Frozen


class Register(Frozen):
    """In a register of ``struct pt_regs``, ``shift`` bits above its lowest."""

    name: str
    shift: int = 0


class Constant(Frozen):
    """The number itself, plus the address of ``symbol`` if there is one."""

    value: int
    symbol: str = ""


class Memory(Frozen):
    """In the memory of the process, at the sum of what is given here.

    Attributes:
        base: a register, or "".
        displacement: a number.
        index: another register, or "".
        scale: what the index is multiplied by: 1, 2, 4 or 8.
        low: only the low 32 bits of the index count: ``"signed"`` or ``"unsigned"``, or "".
        symbol: one whose address counts, or "".
    """

    base: str
    displacement: int = 0
    index: str = ""
    scale: int = 1
    low: str = ""
    symbol: str = ""


class Unreadable(Frozen):
    """Where no program can read it; ``reason`` completes "it is …"."""

    reason: str


Place: TypeAlias = "Register | Constant | Memory | Unreadable"

#: How assemblers write a number.
NUMBER = r"0[xX][0-9a-fA-F]+|\d+"
_OCTAL = re.compile("0[0-7]+")


def number(text: str) -> int:
    """Return what a :data:`NUMBER` is."""
    return int(text, 8) if _OCTAL.fullmatch(text) else int(text, 16 if text[1:2] in "xX" else 10)


class Named(NamedTuple):
    """A register as an assembler calls it: its name in ``struct pt_regs``, and the part of it."""

    own: str
    size: int
    shift: int = 0


def unknown(text: str) -> Unreadable:
    """Return what an operand is that has none of the known forms."""
    return Unreadable(f"in {text!r}, which is no place that pyebpf knows")
