"""Instructions as text, in the words of the kernel's verifier log.

Source: the notation is that of ``kernel/bpf/disasm.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import insn as i
from pyebpf.abi.constants import (
    BPF_PSEUDO_BTF_ID,
    BPF_PSEUDO_CALL,
    BPF_PSEUDO_FUNC,
    BPF_PSEUDO_KFUNC_CALL,
    BPF_PSEUDO_MAP_FD,
    BPF_PSEUDO_MAP_IDX,
    BPF_PSEUDO_MAP_IDX_VALUE,
    BPF_PSEUDO_MAP_VALUE,
)
from pyebpf.abi.helpers import helper_by_id

if TYPE_CHECKING:
    from collections.abc import Callable

_ALU = {
    i.ADD: "+=", i.SUB: "-=", i.MUL: "*=", i.DIV: "/=", i.OR: "|=", i.AND: "&=", i.LSH: "<<=",
    i.RSH: ">>=", i.MOD: "%=", i.XOR: "^=", i.MOV: "=", i.ARSH: "s>>=",
}  # fmt: skip
_JMP = {
    i.JEQ: "==", i.JGT: ">", i.JGE: ">=", i.JSET: "&", i.JNE: "!=", i.JSGT: "s>", i.JSGE: "s>=",
    i.JLT: "<", i.JLE: "<=", i.JSLT: "s<", i.JSLE: "s<=",
}  # fmt: skip
_UNSIGNED = {i.W: "u32", i.H: "u16", i.B: "u8", i.DW: "u64"}
_SIGNED = {i.W: "s32", i.H: "s16", i.B: "s8", i.DW: "s64"}
_FETCH = {i.ADD: "add", i.AND: "and", i.OR: "or", i.XOR: "xor"}


def disassemble(code: bytes) -> list[str]:
    """Return one line for each instruction: ``"3: (85) call bpf_ktime_get_ns#5"``.

    A 64-bit immediate is one line and counts as two instructions, as in the kernel's log.

    Raises:
        FormatError: the length is not a multiple of 8.
    """
    insns, lines, at = i.decode(code), [], 0
    while at < len(insns):
        insn = insns[at]
        wide = insn.is_wide and at + 1 < len(insns)
        text = _wide(insn, insns[at + 1].imm) if wide else _TEXT[insn.kind](insn)
        lines.append(f"{at}: ({insn.code:02x}) {text}")
        at += 2 if wide else 1
    return lines


def _alu(insn: i.Insn) -> str:
    r = "r" if insn.kind == i.ALU64 else "w"
    op, dst = insn.code & 0xF0, f"{r}{insn.dst}"
    if op == i.NEG:
        return f"{dst} = -{dst}"
    if op == i.END:
        return _byte_order(insn)
    sign = _ALU.get(op)
    if sign is None:
        return f"BUG_alu{'64' if r == 'r' else ''}_{insn.code:02x}"
    if op in (i.DIV, i.MOD) and insn.off == 1:
        sign = "s" + sign
    if not insn.code & i.X:
        return f"{dst} {sign} {insn.imm}"
    if op == i.MOV and insn.off in (8, 16, 32):
        return f"{dst} = (s{insn.off}){r}{insn.src}"
    return f"{dst} {sign} {r}{insn.src}"


def _byte_order(insn: i.Insn) -> str:
    word = "be" if insn.code & i.X else "le"
    if insn.kind == i.ALU64:
        word = "bswap"
    return f"r{insn.dst} = {word}{insn.imm} r{insn.dst}"


def _place(insn: i.Insn, base: int, names: dict[int, str]) -> str:
    return f"({names[insn.code & 0x18]} *)(r{base} {insn.off:+d})"


def _load(insn: i.Insn) -> str:
    mode = insn.code & 0xE0
    if mode not in (i.MEM, i.MEMSX):
        return f"BUG_ldx_{insn.code:02x}"
    names = _SIGNED if mode == i.MEMSX else _UNSIGNED
    return f"r{insn.dst} = *{_place(insn, insn.src, names)}"


def _store(insn: i.Insn) -> str:
    mode = insn.code & 0xE0
    if mode == i.MEM:
        return f"*{_place(insn, insn.dst, _UNSIGNED)} = r{insn.src}"
    if mode == i.ATOMIC:
        return _atomic(insn)
    return f"BUG_stx_{insn.code:02x}"


def _atomic(insn: i.Insn) -> str:
    place, src, op = _place(insn, insn.dst, _UNSIGNED), f"r{insn.src}", insn.imm
    name = "atomic64" if insn.code & 0x18 == i.DW else "atomic"
    if op in _FETCH:
        return f"lock *{place} {_ALU[op]} {src}"
    if op & i.FETCH and op & ~i.FETCH in _FETCH:
        return f"{src} = {name}_fetch_{_FETCH[op & ~i.FETCH]}({place}, {src})"
    return {
        i.CMPXCHG: f"r0 = {name}_cmpxchg({place}, r0, {src})",
        i.XCHG: f"{src} = {name}_xchg({place}, {src})",
        i.LOAD_ACQ: f"r{insn.dst} = load_acquire({_place(insn, insn.src, _UNSIGNED)})",
        i.STORE_REL: f"store_release({place}, {src})",
    }.get(op, f"BUG_{insn.code:02x}")


def _store_imm(insn: i.Insn) -> str:
    if insn.code & 0xE0 != i.MEM:
        return f"BUG_st_{insn.code:02x}"
    return f"*{_place(insn, insn.dst, _UNSIGNED)} = {insn.imm}"


def _packet(insn: i.Insn) -> str:
    mode, name = insn.code & 0xE0, _UNSIGNED[insn.code & 0x18]
    if mode == i.ABS:
        return f"r0 = *({name} *)skb[{insn.imm}]"
    if mode == i.IND:
        return f"r0 = *({name} *)skb[r{insn.src} + {insn.imm}]"
    return f"BUG_ld_{insn.code:02x}"


def _wide(insn: i.Insn, high: int) -> str:
    low = insn.imm & 0xFFFFFFFF
    meaning = {
        BPF_PSEUDO_MAP_FD: f"map[fd:{low}]",
        BPF_PSEUDO_MAP_VALUE: f"map[fd:{low}][0]+{high & 0xFFFFFFFF}",
        BPF_PSEUDO_MAP_IDX: f"map[idx:{low}]",
        BPF_PSEUDO_MAP_IDX_VALUE: f"map[idx:{low}][0]+{high & 0xFFFFFFFF}",
        BPF_PSEUDO_BTF_ID: f"btf[{low}]",
        BPF_PSEUDO_FUNC: f"func[{insn.imm:+d}]",
    }
    number = f"{low | (high & 0xFFFFFFFF) << 32:#x}"
    return f"r{insn.dst} = {meaning.get(insn.src, number)}"


def _jump(insn: i.Insn) -> str:
    op, r = insn.code & 0xF0, "w" if insn.kind == i.JMP32 else "r"
    if op == i.JA:
        return f"gotol pc{insn.imm:+d}" if r == "w" else f"goto pc{insn.off:+d}"
    if op == i.CALL and r == "r":
        return _call(insn)
    if op == i.EXIT and r == "r":
        return "exit"
    if op == i.JCOND and r == "r":
        return f"may_goto pc{insn.off:+d}"
    if op not in _JMP:
        return f"BUG_jmp_{insn.code:02x}"
    operand = f"{r}{insn.src}" if insn.code & i.X else f"{insn.imm & 0xFFFFFFFF:#x}"
    return f"if {r}{insn.dst} {_JMP[op]} {operand} goto pc{insn.off:+d}"


def _call(insn: i.Insn) -> str:
    if insn.src == BPF_PSEUDO_CALL:
        return f"call pc{insn.imm:+d}"
    if insn.src == BPF_PSEUDO_KFUNC_CALL:
        return f"call kernel-function#{insn.imm}"
    helper = helper_by_id(insn.imm)
    return f"call {'bpf_' + helper.name if helper else 'unknown'}#{insn.imm}"


_TEXT: dict[int, Callable[[i.Insn], str]] = {
    i.LD: _packet,
    i.LDX: _load,
    i.ST: _store_imm,
    i.STX: _store,
    i.ALU: _alu,
    i.ALU64: _alu,
    i.JMP: _jump,
    i.JMP32: _jump,
}
