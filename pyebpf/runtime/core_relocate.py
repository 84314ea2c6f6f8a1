"""CO-RE: the compiler's idea of a kernel type put right in the instructions.

Which kernel field a local one means is decided in ``pyebpf.btf.core``; here the answer is written
into an instruction. An instruction whose question has no answer becomes a call of a helper that
does not exist: where the program tests for the field first the verifier never gets there,
elsewhere it refuses, and ``pyebpf.runtime.verifier`` says which field was missing.

Source: ``tools/lib/bpf/relo_core.c`` of Linux, for what is accepted.
"""

from __future__ import annotations

from struct import Struct

from pyebpf.abi import insn as op
from pyebpf.errors import FormatError
from pyebpf.plain import Frozen
from pyebpf.spec.objects import CoreReloc

#: The helper that does not exist: libbpf's number, so that other tools understand the log too.
POISON_CALL = 0xBAD2310
_INSN = Struct("<BBhi")
_SIZE_BITS = {1: op.B, 2: op.H, 4: op.W, 8: op.DW}
_SIZE_MASK = 0x18
_MASK32 = 0xFFFFFFFF


class CoreAnswer(Frozen):
    """What an instruction should hold.

    Attributes:
        local: what the compiler put there, to be compared with the instruction if ``check``.
        value: what belongs there in this kernel.
        missing: there is no such type, field or value in this kernel.
        check: compare ``local``; off where compilers disagree (bitfields).
        size: bytes that a load or store must have from now on; 0: those that it has.
        unsafe: the field has another size and type, which no load or store can make good.
    """

    local: int
    value: int
    missing: bool = False
    check: bool = True
    size: int = 0
    unsafe: bool = False


class Poison(Frozen):
    """An instruction that must never run.

    ``reason`` says why. Empty, ``reloc`` is a question that this kernel has no answer to.
    """

    insn: int
    reason: str = ""
    reloc: CoreReloc | None = None


class _NoAnswerError(Exception):
    """The answer does not fit the instruction."""


def apply(code: bytearray, at: int, answer: CoreAnswer) -> str:
    """Write an answer that is not ``missing`` into the instruction at byte ``at``.

    Return why the instruction had to be poisoned, or nothing.

    Raises:
        FormatError: the instruction is not what the relocation says.
    """
    opcode, regs, off, imm = _INSN.unpack_from(code, at)
    kind = opcode & 7
    try:
        if kind in (op.ALU, op.ALU64):
            _check(answer, imm, at)
            row = (opcode, regs, off, _signed32(answer.value))
        elif kind in (op.LDX, op.ST, op.STX):
            _check(answer, off, at)
            row = (_resized(opcode, answer), regs, _offset16(answer.value), imm)
        elif opcode == op.LD | op.IMM | op.DW:
            return _apply_wide(code, at, answer)
        else:
            raise FormatError(f"CO-RE relocation on opcode {opcode:#x} at byte {at}")
    except _NoAnswerError as reason:
        poison(code, at)
        return str(reason)
    _INSN.pack_into(code, at, *row)
    return ""


def poison(code: bytearray, at: int) -> None:
    """Make the instruction at byte ``at`` one that the verifier refuses when it can be reached."""
    wide = code[at] == op.LD | op.IMM | op.DW
    _INSN.pack_into(code, at, op.JMP | op.CALL, 0, 0, POISON_CALL)
    if wide:
        _INSN.pack_into(code, at + 8, op.JMP | op.CALL, 0, 0, POISON_CALL)


def _apply_wide(code: bytearray, at: int, answer: CoreAnswer) -> str:
    _, regs, off, low = _INSN.unpack_from(code, at)
    high = _INSN.unpack_from(code, at + 8)[3]
    _check(answer, low & _MASK32 | (high & _MASK32) << 32, at)
    value = answer.value & (1 << 64) - 1
    _INSN.pack_into(code, at, code[at], regs, off, _signed32(value & _MASK32))
    _INSN.pack_into(code, at + 8, 0, 0, 0, _signed32(value >> 32))
    return ""


def _check(answer: CoreAnswer, found: int, at: int) -> None:
    if answer.check and (found ^ answer.local) & _MASK32:
        raise FormatError(
            f"CO-RE relocation at byte {at}: the instruction has {found}, expected {answer.local}"
        )


def _signed32(value: int) -> int:
    value &= _MASK32
    return value - (1 << 32) if value >> 31 else value


def _offset16(value: int) -> int:
    if not -(1 << 15) <= value < 1 << 15:
        raise _NoAnswerError(f"is at offset {value}, too far away for one instruction")
    return value


def _resized(opcode: int, answer: CoreAnswer) -> int:
    """Return ``opcode`` with the width of the kernel's field."""
    if answer.unsafe or (answer.size and answer.size not in _SIZE_BITS):
        raise _NoAnswerError("has a type in this kernel that this load or store does not fit")
    if not answer.size:
        return opcode
    return opcode & ~_SIZE_MASK | _SIZE_BITS[answer.size]
