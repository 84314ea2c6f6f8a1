"""Instructions: encoded, decoded, and as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf.abi import insn as i
from pyebpf.abi.disasm import disassemble
from pyebpf.errors import FormatError

ANY = st.builds(
    i.Insn,
    st.integers(0, 255),
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(-(1 << 31), (1 << 31) - 1),
)


@given(st.lists(ANY, max_size=20))
def test_decode_undoes_pack(insns: list[i.Insn]) -> None:
    assert i.decode(i.assemble(tuple(insns))) == insns


@given(st.binary(max_size=200))
def test_any_bytes_disassemble_or_are_refused(code: bytes) -> None:
    if len(code) % 8:
        with pytest.raises(FormatError, match="multiple of 8"):
            disassemble(code)
    else:
        assert all(": (" in line for line in disassemble(code))


@given(st.integers(0, (1 << 64) - 1))
def test_a_wide_immediate_keeps_its_bits(value: int) -> None:
    low, high = i.ld_imm64(i.R3, value)
    assert (low.imm & 0xFFFFFFFF) | (high.imm & 0xFFFFFFFF) << 32 == value
    assert disassemble(i.assemble((low, high))) == [f"0: (18) r3 = {value:#x}"]


def test_known_bytes() -> None:
    assert i.mov64_imm(i.R0, 1).pack() == bytes.fromhex("b700000001000000")
    assert i.stx_mem(i.DW, i.R10, i.R1, -8).pack() == bytes.fromhex("7b1af8ff00000000")
    assert i.call(14).pack() == bytes.fromhex("850000000e000000")
    assert i.exit_insn().pack() == bytes.fromhex("9500000000000000")


@pytest.mark.parametrize(
    ("insn", "text"),
    [
        (i.mov64_reg(6, 1), "(bf) r6 = r1"),
        (i.mov32_imm(2, -1), "(b4) w2 = -1"),
        (i.Insn(0xBF, 1, 2, 8), "(bf) r1 = (s8)r2"),
        (i.alu64_imm(i.ADD, 2, -4), "(07) r2 += -4"),
        (i.Insn(0x3F, 1, 2, 1), "(3f) r1 s/= r2"),
        (i.Insn(0x87, 3), "(87) r3 = -r3"),
        (i.Insn(0xD7, 3, 0, 0, 64), "(d7) r3 = bswap64 r3"),
        (i.Insn(0xDC, 3, 0, 0, 16), "(dc) r3 = be16 r3"),
        (i.ldx_mem(i.W, 1, 6, 24), "(61) r1 = *(u32 *)(r6 +24)"),
        (i.Insn(0x81, 1, 6, 4), "(81) r1 = *(s32 *)(r6 +4)"),
        (i.st_mem(i.B, 10, -1, 7), "(72) *(u8 *)(r10 -1) = 7"),
        (i.atomic(i.DW, i.ADD, 0, 1), "(db) lock *(u64 *)(r0 +0) += r1"),
        (i.atomic(i.W, i.XCHG, 0, 1), "(c3) r1 = atomic_xchg((u32 *)(r0 +0), r1)"),
        (
            i.atomic(i.DW, i.ADD | i.FETCH, 0, 1, 8),
            "(db) r1 = atomic64_fetch_add((u64 *)(r0 +8), r1)",
        ),
        (i.jmp_imm(i.JSGT, 1, -1, 5), "(65) if r1 s> 0xffffffff goto pc+5"),
        (i.jmp_reg(i.JNE, 1, 2, -3), "(5d) if r1 != r2 goto pc-3"),
        (i.jmp32_imm(i.JLT, 1, 5, 1), "(a6) if w1 < 0x5 goto pc+1"),
        (i.ja(-2), "(05) goto pc-2"),
        (i.call(5), "(85) call bpf_ktime_get_ns#5"),
        (i.call(9999), "(85) call unknown#9999"),
        (i.call_local(7), "(85) call pc+7"),
        (i.exit_insn(), "(95) exit"),
    ],
)
def test_text(insn: i.Insn, text: str) -> None:
    assert disassemble(insn.pack()) == [f"0: {text}"]


def test_a_wide_instruction_counts_twice() -> None:
    code = i.assemble(i.ld_map_fd(i.R1, 3), i.exit_insn())
    assert disassemble(code) == ["0: (18) r1 = map[fd:3]", "2: (95) exit"]
