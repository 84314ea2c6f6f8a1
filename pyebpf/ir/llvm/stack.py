"""How much stack the finished code of an object uses, register spills included."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from pyebpf.ir.context import STACK_BYTES
from pyebpf.ir.passes.stack_slots import StackTooLarge, memory_slots

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Unit

_INSN = struct.Struct("<BBhi")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_SHT_SYMTAB, _STT_FUNC = 2, 2
#: Classes of instruction: loads, stores, and 64-bit arithmetic.
_LDX, _ST, _STX, _ALU64 = 1, 2, 3, 7
_MOV_X, _ADD_K = 0xBF, 0x07
_FRAME = 10


def check_stack(unit: Unit, data: bytes, context: Context) -> None:
    """Report the functions whose code reaches deeper than the stack."""
    used = {name: stack_bytes(code) for name, code in functions(data)}
    for fn in unit.functions:
        total = used.get(fn.name, 0)
        if total > STACK_BYTES:
            name, size = _largest(fn)
            context.report(StackTooLarge(fn.span, fn.name, total, name, size))


def _largest(fn: Function) -> tuple[str, int]:
    slots = memory_slots(fn) or fn.slots
    largest = max(slots, key=lambda slot: slot.type.size, default=None)
    return (largest.name, largest.type.size) if largest else (fn.name, 0)


def stack_bytes(code: bytes) -> int:
    """Return how far below the frame pointer the instructions reach.

    A register that was copied from the frame pointer reaches as far as the constant added to it.
    """
    lowest, copies = 0, set[int]()
    for opcode, registers, offset, immediate in _INSN.iter_unpack(code):
        target, source, kind = registers & 15, registers >> 4, opcode & 7
        if (kind == _LDX and source == _FRAME) or (kind in (_ST, _STX) and target == _FRAME):
            lowest = min(lowest, offset)
        if opcode == _ADD_K and target in copies:
            lowest = min(lowest, immediate)
        if kind == _ALU64:
            copies.discard(target)
            if opcode == _MOV_X and source == _FRAME:
                copies.add(target)
    return -lowest


def functions(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield name and code of every function of an ELF object."""
    start, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    sections = [_SHDR.unpack_from(data, start + i * _SHDR.size) for i in range(count)]
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _SHT_SYMTAB:
            continue
        for name, info, _, index, value, length in _SYM.iter_unpack(data[offset : offset + size]):
            if info & 15 == _STT_FUNC:
                first = sections[index][4] + value
                yield _string(data, sections[link][4] + name), data[first : first + length]


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(0, start)].decode()
