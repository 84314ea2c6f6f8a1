"""Operands of the assembler for arm64.

Source: the Arm Architecture Reference Manual, "Load/Store addressing modes"; what ``sys/sdt.h`` has
compilers print of them.
"""

from __future__ import annotations

import re

from pyebpf.runtime.usdt.places import (
    NUMBER,
    Constant,
    Memory,
    Named,
    Place,
    Register,
    Unreadable,
    number,
    unknown,
)

REGISTERS = {
    **{f"x{number}": Named(f"x{number}", 8) for number in range(31)},
    **{f"w{number}": Named(f"x{number}", 4) for number in range(31)},
    "sp": Named("sp", 8),
    "wsp": Named("sp", 4),
}
_ZERO = ("xzr", "wzr")
_FLOAT = re.compile(r"[bhsdqv]\d+(?:\.\w+)?")
_NUMBER = re.compile(rf"#?(-?)({NUMBER})")
_MEMORY = re.compile(
    r"\[\s*(?P<base>\w+)\s*"
    r"(?:,\s*(?P<second>[^,\]]+?)\s*"
    r"(?:,\s*(?P<extension>lsl|sxtw|uxtw|sxtx)\s*#?(?P<shift>[0-3])?)?)?\s*\]"
)
#: Extensions of an index of 32 bits.
_LOW = {"sxtw": "signed", "uxtw": "unsigned"}


def operand(text: str) -> Place:
    """Return what an operand means."""
    value = 0 if text in _ZERO else _signed(text)
    if value is not None:
        return Constant(value)
    if text in REGISTERS:
        return Register(REGISTERS[text].own)
    if _FLOAT.fullmatch(text):
        return Unreadable(f"in the floating-point register {text}")
    return _memory(text) or unknown(text)


def _memory(text: str) -> Memory | None:
    found = _MEMORY.fullmatch(text)
    base = REGISTERS.get(found["base"]) if found else None
    if found is None or base is None or base.size != 8:
        return None
    second, extension = found["second"], found["extension"]
    value = _signed(second or "0")
    if value is not None:
        return None if extension else Memory(base.own, value)
    low, index = _LOW.get(extension or "", ""), REGISTERS.get(second)
    if index is None or index.size != (4 if low else 8):
        return None
    return Memory(base.own, 0, index.own, 1 << int(found["shift"] or 0), low)


def _signed(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    return number(found[2]) * (-1 if found[1] else 1) if found else None
