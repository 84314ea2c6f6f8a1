"""Every number that is shipped, compared with the running kernel's own types and verdicts."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable

import pytest

from pyebpf.abi import constants
from pyebpf.abi import insn as i
from pyebpf.abi.disasm import disassemble
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.abi.registers import REGISTERS
from pyebpf.btf.layout import find_member, size_of
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Kind
from pyebpf.dsl.uapi import CONTEXTS, context_struct
from pyebpf.errors import KernelError
from pyebpf.runtime import probing, syscall
from tests.kernel.vmlinux import enumerators

pytestmark = pytest.mark.kernel

ENUMS = ("BPF_MAP_TYPE_", "BPF_PROG_TYPE_", "BPF_LINK_TYPE_")
#: What makes a number comparable at all: a kernel older than the row does not have it.
COMMON = {"BPF_MAP_CREATE", "BPF_PROG_LOAD", "BPF_TRACE_RAW_TP", "BPF_F_MMAPABLE"}


def test_constants() -> None:
    kernel = enumerators()
    ours = {k: v for k, v in vars(constants).items() if k.startswith(("BPF_", "PERF_"))}
    shared = ours.keys() & kernel.keys()
    assert shared >= COMMON
    assert len(shared) > 200
    # BPF_F_INDEX_MASK and its like are 64-bit in some kernels and 32-bit in others.
    assert {k: ours[k] & 0xFFFFFFFF for k in shared} == {k: kernel[k] & 0xFFFFFFFF for k in shared}


def test_nothing_of_this_kernel_is_missing() -> None:
    """Newer kernels add rows: then this says which."""
    kernel = enumerators()
    ours = vars(constants)
    for prefix in ENUMS:
        names = {k for k in kernel if k.startswith(prefix) and not k.endswith("_DEPRECATED")}
        assert names <= ours.keys()
    assert {k.removeprefix("BPF_FUNC_") for k in kernel if k.startswith("BPF_FUNC_")} - {
        "unspec"
    } <= HELPERS.keys()


def test_helper_ids() -> None:
    kernel = enumerators()
    shared = [row for row in HELPERS.values() if f"BPF_FUNC_{row.name}" in kernel]
    assert len(shared) > 150
    for row in shared:
        assert row.id == kernel[f"BPF_FUNC_{row.name}"], row.name


@pytest.mark.thorough
def test_which_helpers_are_for_gpl_programs_only() -> None:
    """The verifier looks at the license before it looks at arguments, so it can be asked."""
    kinds = {
        (row.prog_type, row.attach_type, row.flags)
        for row in PROGRAM_KINDS.values()
        if not row.needs_btf_id
        and row.prog_type != constants.BPF_PROG_TYPE_STRUCT_OPS
        and probing.probe_program(row).support is probing.Support.YES
    }
    verdicts = {}
    for row in HELPERS.values():
        found = {_needs_gpl(row.id, *kind) for kind in sorted(kinds)} - {None}
        if found:
            verdicts[row.name] = True in found
    assert len(verdicts) > 100
    assert {n: HELPERS[n].gpl for n in verdicts} == verdicts


def _needs_gpl(number: int, kind: int, attach: int, flags: int) -> bool | None:
    """Tell whether a helper needs a GPL program; None if this kind of program has it not."""
    code = i.assemble(i.call(number), i.exit_insn())
    try:
        fd, _ = syscall.prog_load(
            kind, code, "Proprietary", expected_attach_type=attach, flags=flags, log_level=1,
            log_size=4096,
        )  # fmt: skip
    except syscall.RefusedError as error:
        if "GPL" in error.log:
            return True
        absent = ("unknown func", "invalid func", "cannot use helper")
        return None if not error.log or any(text in error.log for text in absent) else False
    os.close(fd)
    return False


def test_which_maps_take_btf_types() -> None:
    features = {name: probing.probe_map(row).support for name, row in MAP_KINDS.items()}
    known = [n for n, support in features.items() if support is probing.Support.YES]
    assert len(known) > 20
    # Local storage cannot be made without BTF, so its probe has said so already.
    for name in known:
        # A trie wants a struct as its key, and struct_ops a structure of the kernel.
        if not name.endswith(("_storage", "_of_maps")) and name not in ("struct_ops", "lpm_trie"):
            assert _takes_btf(name) == MAP_KINDS[name].has_btf, name


def _takes_btf(name: str) -> bool:
    row = MAP_KINDS[name]
    key, value, entries, flags = probing.MAP_SHAPES.get(name, (4, 4, 1, 0))

    # Type 1 is an int of 4 bytes; a longer key or value is an array of them.
    def sized(size: int) -> int:
        return 0 if size == 0 else {4: 1, 8: 3, 16: 4}[size]

    arrays = b"".join(probing._type(0, 3, 0, 0, 1, 1, count) for count in (1, 2, 4))  # ids 2, 3, 4
    btf = syscall.btf_load(probing._btf(probing._INT + arrays))
    try:
        fd = syscall.map_create(
            row.id, key, value, entries, flags=flags, btf_fd=btf, key_type=sized(key),
            value_type=sized(value) or 1,
        )  # fmt: skip
    except KernelError:
        return False
    finally:
        os.close(btf)
    os.close(fd)
    return True


def test_the_text_of_instructions_is_the_verifiers(requires: Callable[[str], None]) -> None:
    requires("atomics")
    code = i.assemble(
        i.mov64_reg(i.R6, i.R1),
        i.st_mem(i.DW, i.R10, -8, 5),
        i.mov32_imm(i.R1, 3),
        i.alu32_imm(i.LSH, i.R1, 2),
        i.stx_mem(i.W, i.R10, i.R1, -4),
        i.alu64_imm(i.XOR, i.R1, -1),
        i.atomic(i.DW, i.OR | i.FETCH, i.R10, i.R1, -8),
        i.atomic(i.DW, i.XCHG, i.R10, i.R1, -8),
        i.ld_imm64(i.R7, 0x1234_5678_9ABC),
        i.Insn(0xDC, i.R7, 0, 0, 32),
        i.Insn(0x87, i.R7),
        i.call(HELPERS["get_prandom_u32"].id),
        i.jmp_reg(i.JGT, i.R0, i.R7, 1),
        i.jmp32_imm(i.JSLE, i.R0, -7, 0),
        i.ldx_mem(i.H, i.R0, i.R10, -6),
        i.ja(0),
        i.call_local(1),
        i.exit_insn(),
        i.mov64_imm(i.R0, 0),
        i.exit_insn(),
    )
    fd, log = syscall.prog_load(constants.BPF_PROG_TYPE_SOCKET_FILTER, code, "GPL", log_level=2)
    os.close(fd)
    seen = {line.split(" ; ")[0].rstrip() for line in log.splitlines()}
    trimmed = {line.partition("  ")[0] for line in seen}
    missing = [line for line in disassemble(code) if line not in seen | trimmed]
    assert not missing, f"{missing}\n{log}"


#: Fields that were wider in older kernels, with zeros behind the part that is left: bytes there.
WIDER_BEFORE = {("bpf_sk_lookup", "remote_port"): 4}


@pytest.mark.parametrize("name", sorted(CONTEXTS))
def test_contexts_lie_as_in_the_kernel(name: str) -> None:
    struct, btf = context_struct(CONTEXTS[name]), kernel_btf()
    assert struct is not None
    nodes = btf.find_all(name, Kind.STRUCT)
    if not nodes:
        pytest.skip(f"this kernel has no {name}")
    (node,) = nodes
    for field in struct.record.fields:
        found = find_member(btf, node, field.name)
        if found is None:  # it came later
            continue
        assert field.offset * 8 == found.bit_offset, field.name
        sizes = {field.type.size, WIDER_BEFORE.get((name, field.name))}
        assert size_of(btf, found.type) in sizes, field.name


@pytest.mark.skipif(platform.machine() not in REGISTERS, reason="registers of another machine")
def test_registers_lie_as_in_the_kernel() -> None:
    registers, btf = REGISTERS[platform.machine()], kernel_btf()
    kind = "user_pt_regs" if platform.machine() == "aarch64" else "pt_regs"
    node = btf.find(kind, Kind.STRUCT)
    for name in registers.names:
        found = find_member(btf, node, name)
        if found is not None:  # arm64 has its numbered ones in an array
            assert found.bit_offset == 8 * registers.offset(name), name
