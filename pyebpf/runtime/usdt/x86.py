"""Operands of the assembler for x86-64, in the syntax of AT&T.

Source: the manual of ``as``, "i386-Memory" and "i386-Regs".
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


def _registers() -> dict[str, Named]:
    found = {"rip": Named("ip", 8), "eflags": Named("flags", 4)}
    for own in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp"):
        found |= {f"r{own}": Named(own, 8), f"e{own}": Named(own, 4), own: Named(own, 2)}
        if own.endswith("x"):
            found |= {f"{own[0]}l": Named(own, 1), f"{own[0]}h": Named(own, 1, 8)}
        else:
            found[f"{own}l"] = Named(own, 1)
    for own in (f"r{which}" for which in range(8, 16)):
        found |= {f"{own}{end}": Named(own, size) for end, size in _ENDS.items()}
    return found


_ENDS = {"": 8, "d": 4, "w": 2, "b": 1}
REGISTERS = {f"%{name}": row for name, row in _registers().items()}
_FLOAT = re.compile(r"%(?:[xyz]?mm\d+|st(?:\(\d\))?|k\d)")
_SEGMENT = re.compile(r"%([c-gs]s):.*", re.DOTALL)
_MEMORY = re.compile(
    r"(?P<sum>[^()%]*)"
    r"(?:\((?P<base>%\w+)?\s*(?:,\s*(?P<index>%\w+)\s*(?:,\s*(?P<scale>[1248]))?)?\))?"
)
_TERM = re.compile(rf"\s*([+-]?)\s*(?:({NUMBER})|([A-Za-z_.$][\w.$]*))\s*")


def operand(text: str) -> Place:
    """Return what an operand means."""
    known, segment = REGISTERS.get(text), _SEGMENT.fullmatch(text)
    if known is not None:
        return Register(known.own, known.shift)
    if _FLOAT.fullmatch(text):
        return Unreadable(f"in the floating-point register {text}")
    if segment is not None:
        return Unreadable(f"{text!r}, relative to the segment {segment[1]} (thread-local)")
    if not text.startswith("$"):
        return _memory(text)
    total = _sum(text[1:])
    return unknown(text) if total is None else Constant(*total)


def _memory(text: str) -> Place:
    found = _MEMORY.fullmatch(text)
    if not text or found is None:
        return unknown(text)
    base, index, total = found["base"], found["index"], _sum(found["sum"])
    if total is None or not (_is_address(base) and _is_address(index)):
        return unknown(text)
    displacement, symbol = total
    if base == "%rip" and symbol:
        base = None  # the linker's way to say: at the symbol
    own = [REGISTERS[name].own if name else "" for name in (base, index)]
    return Memory(own[0], displacement, own[1], int(found["scale"] or 1), symbol=symbol)


def _is_address(name: str | None) -> bool:
    """Tell whether a register may be part of an address, or there is none."""
    return name is None or (name in REGISTERS and REGISTERS[name].size == 8)


def _sum(text: str) -> tuple[int, str] | None:
    """Return number and symbol of a sum such as ``4+name``; None if it is something else."""
    total, symbol, at = 0, "", 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or (at and not found[1]):
            return None
        sign, digits, name = found.groups()
        if name and (symbol or sign == "-"):
            return None
        if digits:
            total += number(digits) * (-1 if sign == "-" else 1)
        symbol, at = name or symbol, found.end()
    return total, symbol
