"""The arguments of a probe, as its note lists them: ``-4@%edi 8@-8(%rbp)``.

Each is ``size@operand``: the size in bytes, negative for signed numbers and followed by ``f`` for
floating point, and the operand as the compiler printed it. Nothing here fails: what no program can
read says why, and matters only to a program that reads this argument.

Source: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from pyebpf.lazy import lazy
from pyebpf.plain import Frozen
from pyebpf.runtime.usdt.places import Constant, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.runtime.usdt import arm64, x86
    from pyebpf.runtime.usdt.places import Named, Place
else:
    arm64 = lazy("pyebpf.runtime.usdt.arm64")
    x86 = lazy("pyebpf.runtime.usdt.x86")


class Argument(Frozen):
    """One argument at one place.

    Attributes:
        text: as in the note.
        size: 1, 2, 4 or 8 bytes.
        signed: whether it is a signed number.
        place: where it is.
    """

    text: str
    size: int
    signed: bool
    place: Place

    @property
    def type_name(self) -> str:
        """The number that is passed, ``"i32"``."""
        return f"{'i' if self.signed else 'u'}{8 * self.size}"

    @property
    def value(self) -> int | None:
        """The value, if it is known from the note alone."""
        if not isinstance(self.place, Constant) or self.place.symbol:
            return None
        bits = 8 * self.size
        value = self.place.value & (1 << bits) - 1
        return value - (1 << bits) if self.signed and value >> (bits - 1) else value


class Assembler(Protocol):
    """A module that knows how operands are written for a machine."""

    @property
    def REGISTERS(self) -> Mapping[str, Named]:  # noqa: N802 - a constant of the module
        """The registers that hold numbers, as operands name them."""

    def operand(self, text: str) -> Place:
        """Return what an operand means."""


#: By the machine's name, as ``uname -m`` gives it.
MACHINES: dict[str, Assembler] = {"x86_64": x86, "aarch64": arm64}
#: One argument; blanks between brackets are part of it.
_ONE = re.compile(r"(?:\[[^\]]*\]|\([^)]*\)|\S)+")
_SIZED = re.compile(r"(?:(-?)(\d+)(f?)@)?(.*)", re.DOTALL)
_WORD = 8


def parse_arguments(text: str, machine: str) -> list[Argument]:
    """Return the arguments of a note.

    Args:
        text: ``"-4@%edi 8@-8(%rbp)"``.
        machine: for which the binary is: a key of :data:`MACHINES`.
    """
    return [_argument(found[0], MACHINES[machine]) for found in _ONE.finditer(text)]


def _argument(text: str, assembler: Assembler) -> Argument:
    found = _SIZED.fullmatch(text)
    assert found is not None
    minus, digits, is_float, operand = found.groups()
    place, named = assembler.operand(operand), assembler.REGISTERS.get(operand)
    # Old headers give no size: it is the register's.
    size = int(digits) if digits else named.size if named else _WORD
    if is_float and not isinstance(place, Unreadable):
        place = Unreadable("a floating-point number")
    if size not in (1, 2, 4, 8):
        place, size = Unreadable(f"{size} bytes large"), _WORD
    return Argument(text, size, bool(minus), place)
