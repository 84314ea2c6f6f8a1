"""BPF instructions: 8 bytes each, encoded, decoded, and made by name.

Enough of an assembler for feature probes and tests; the compiler has LLVM. Text is in :mod:`disasm`.

Source: ``include/uapi/linux/bpf.h``, RFC 9669.
"""

from __future__ import annotations

import sys
from struct import Struct

from pyebpf.abi.constants import (
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC,
    BPF_PSEUDO_KFUNC_CALL,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_VALUE,
)
from pyebpf.errors import FormatError
from pyebpf.plain import Frozen

SIZE = 8  #: bytes of one instruction

# Classes
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
# Sizes of loads and stores
W, H, B, DW = 0x00, 0x08, 0x10, 0x18
# Modes of loads and stores
IMM, ABS, IND, MEM, MEMSX, ATOMIC = 0x00, 0x20, 0x40, 0x60, 0x80, 0xC0
# Where the second operand is: an immediate or a register
K, X = 0x00, 0x08
# Arithmetic
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
NEG, MOD, XOR, MOV, ARSH, END = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0
# Jumps
JA, JEQ, JGT, JGE, JSET, JNE, JSGT, JSGE = 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
CALL, EXIT, JLT, JLE, JSLT, JSLE, JCOND = 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0
# What an atomic instruction does, in its immediate: an arithmetic operation, or one of these
FETCH, XCHG, CMPXCHG = 0x01, 0xE1, 0xF1
LOAD_ACQ, STORE_REL = 0x100, 0x110

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10 = range(11)

_LAYOUT = Struct("=BBhi")
_LITTLE = sys.byteorder == "little"
_WORDS = Struct("=ii")


class Insn(Frozen):
    """One instruction. A 64-bit immediate takes two of them, the second with code 0."""

    code: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0

    def pack(self) -> bytes:
        """Return the 8 bytes, in the order of this machine."""
        regs = self.dst | self.src << 4 if _LITTLE else self.src | self.dst << 4
        return _LAYOUT.pack(self.code, regs, self.off, self.imm)

    @property
    def kind(self) -> int:
        """The class: ``LD`` … ``ALU64``."""
        return self.code & 7

    @property
    def is_wide(self) -> bool:
        """Whether the next instruction holds the high half of this one's immediate."""
        return self.code == LD | IMM | DW


def decode(code: bytes) -> list[Insn]:
    """Return the instructions in ``code``.

    Raises:
        FormatError: the length is not a multiple of 8.
    """
    if len(code) % SIZE:
        raise FormatError(f"BPF code is {len(code)} bytes long, which is no multiple of {SIZE}")
    if _LITTLE:
        return [
            Insn(op, regs & 15, regs >> 4, off, imm)
            for op, regs, off, imm in _LAYOUT.iter_unpack(code)
        ]
    return [
        Insn(op, regs >> 4, regs & 15, off, imm) for op, regs, off, imm in _LAYOUT.iter_unpack(code)
    ]


def assemble(*parts: Insn | tuple[Insn, ...]) -> bytes:
    """Return the bytes of instructions and of sequences of them, one after the other."""
    return b"".join(
        part.pack() if isinstance(part, Insn) else b"".join(insn.pack() for insn in part)
        for part in parts
    )


def mov64_imm(dst: int, imm: int) -> Insn:
    """``dst = imm``, sign-extended from 32 bits."""
    return Insn(ALU64 | MOV | K, dst, imm=imm)


def mov64_reg(dst: int, src: int) -> Insn:
    """``dst = src``."""
    return Insn(ALU64 | MOV | X, dst, src)


def mov32_imm(dst: int, imm: int) -> Insn:
    """``dst = imm``, with zeros above."""
    return Insn(ALU | MOV | K, dst, imm=imm)


def mov32_reg(dst: int, src: int) -> Insn:
    """``dst = src``, of which 32 bits, with zeros above."""
    return Insn(ALU | MOV | X, dst, src)


def alu64_imm(op: int, dst: int, imm: int) -> Insn:
    """``dst op= imm`` on 64 bits; ``op`` is ``ADD`` and the like."""
    return Insn(ALU64 | op | K, dst, imm=imm)


def alu64_reg(op: int, dst: int, src: int) -> Insn:
    """``dst op= src`` on 64 bits."""
    return Insn(ALU64 | op | X, dst, src)


def alu32_imm(op: int, dst: int, imm: int) -> Insn:
    """``dst op= imm`` on 32 bits."""
    return Insn(ALU | op | K, dst, imm=imm)


def alu32_reg(op: int, dst: int, src: int) -> Insn:
    """``dst op= src`` on 32 bits."""
    return Insn(ALU | op | X, dst, src)


def ld_imm64(dst: int, value: int, src: int = 0) -> tuple[Insn, Insn]:
    """``dst = value``; ``src`` says what the value means (``BPF_PSEUDO_*``), 0 for a number."""
    low, high = _WORDS.unpack((value & (1 << 64) - 1).to_bytes(8, "little"))
    if not _LITTLE:
        high, low = _WORDS.unpack((value & (1 << 64) - 1).to_bytes(8, "big"))
    return Insn(LD | IMM | DW, dst, src, 0, low), Insn(0, imm=high)


def ld_map_fd(dst: int, fd: int) -> tuple[Insn, Insn]:
    """``dst =`` the map open at ``fd``."""
    return ld_imm64(dst, fd, BPF_PSEUDO_MAP_FD)


def ld_map_value(dst: int, fd: int, offset: int = 0) -> tuple[Insn, Insn]:
    """``dst =`` the address of byte ``offset`` in the only value of the map open at ``fd``."""
    return Insn(LD | IMM | DW, dst, BPF_PSEUDO_MAP_VALUE, 0, fd), Insn(0, imm=offset)


def ld_func(dst: int, distance: int) -> tuple[Insn, Insn]:
    """``dst =`` the address of the function ``distance`` instructions after the next one."""
    return Insn(LD | IMM | DW, dst, BPF_PSEUDO_FUNC, 0, distance), Insn(0)


def ldx_mem(size: int, dst: int, src: int, off: int = 0) -> Insn:
    """``dst = *(src + off)``; ``size`` is ``B``, ``H``, ``W`` or ``DW``."""
    return Insn(LDX | MEM | size, dst, src, off)


def stx_mem(size: int, dst: int, src: int, off: int = 0) -> Insn:
    """``*(dst + off) = src``."""
    return Insn(STX | MEM | size, dst, src, off)


def st_mem(size: int, dst: int, off: int, imm: int) -> Insn:
    """``*(dst + off) = imm``."""
    return Insn(ST | MEM | size, dst, 0, off, imm)


def atomic(size: int, op: int, dst: int, src: int, off: int = 0) -> Insn:
    """``lock *(dst + off) op= src``; ``op`` may include ``FETCH``, or be ``XCHG``, ``CMPXCHG``."""
    return Insn(STX | ATOMIC | size, dst, src, off, op)


def call(helper: int) -> Insn:
    """Call a helper by its id."""
    return Insn(JMP | CALL, imm=helper)


def call_local(distance: int) -> Insn:
    """Call the function ``distance`` instructions after the next one."""
    return Insn(JMP | CALL, src=BPF_PSEUDO_CALL, imm=distance)


def call_kfunc(btf_id: int, module: int = 0) -> Insn:
    """Call a kernel function by its BTF id; ``module`` indexes ``fd_array``, 0 for the kernel."""
    return Insn(JMP | CALL, src=BPF_PSEUDO_KFUNC_CALL, off=module, imm=btf_id)


def exit_insn() -> Insn:
    """Return to the caller."""
    return Insn(JMP | EXIT)


def ja(off: int) -> Insn:
    """Skip ``off`` instructions."""
    return Insn(JMP | JA, off=off)


def jmp_imm(op: int, dst: int, imm: int, off: int) -> Insn:
    """``if dst op imm``, skip ``off`` instructions; ``op`` is ``JEQ`` and the like."""
    return Insn(JMP | op | K, dst, 0, off, imm)


def jmp_reg(op: int, dst: int, src: int, off: int) -> Insn:
    """``if dst op src``, skip ``off`` instructions."""
    return Insn(JMP | op | X, dst, src, off)


def jmp32_imm(op: int, dst: int, imm: int, off: int) -> Insn:
    """``if dst op imm`` on 32 bits, skip ``off`` instructions."""
    return Insn(JMP32 | op | K, dst, 0, off, imm)
