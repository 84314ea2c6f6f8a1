"""A few instructions for each feature of the instruction set: what loads, the kernel has."""

from __future__ import annotations

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.runtime.answers import Answer
from pyebpf.runtime.probing import try_program

_SNIPPETS = {
    "cpu_v3": (
        i.mov32_imm(i.R0, 0), i.jmp32_imm(i.JLT, i.R0, 1, 1), i.mov32_imm(i.R0, 1), i.exit_insn(),
    ),
    # r0 = (s8)r0 of version 4
    "cpu_v4": (
        i.mov64_imm(i.R0, 0), i.Insn(i.ALU64 | i.MOV | i.X, i.R0, i.R0, 8), i.exit_insn(),
    ),
    "atomics": (
        i.st_mem(i.DW, i.R10, -8, 0), i.mov64_imm(i.R1, 1),
        i.atomic(i.DW, i.ADD | i.FETCH, i.R10, i.R1, -8), i.mov64_imm(i.R0, 0), i.exit_insn(),
    ),
    "bounded_loops": (
        i.mov64_imm(i.R0, 10), i.alu64_imm(i.SUB, i.R0, 1), i.jmp_imm(i.JNE, i.R0, 0, -2),
        i.exit_insn(),
    ),
    # Two functions whose stacks are too large together.
    "private_stack": (
        i.st_mem(i.DW, i.R10, -400, 0), i.call_local(1), i.exit_insn(),
        i.st_mem(i.DW, i.R10, -400, 0), i.mov64_imm(i.R0, 0), i.exit_insn(),
    ),
}  # fmt: skip


#: What programs for packets have not got.
_OF_PROBES = ("private_stack",)


def probe_snippet(name: str) -> Answer:
    """Try to load a few instructions."""
    kind = c.BPF_PROG_TYPE_RAW_TRACEPOINT if name in _OF_PROBES else c.BPF_PROG_TYPE_SOCKET_FILTER
    return try_program(kind, i.assemble(*_SNIPPETS[name]))
