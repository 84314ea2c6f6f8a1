"""Wrong programs in the kernel's own instructions, one for each hint of the verifier's refusals."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pyebpf.abi import constants as c
from pyebpf.abi import insn as op
from pyebpf.runtime import syscall
from pyebpf.runtime.core_relocate import POISON_CALL

RAW_TP, SOCKET = c.BPF_PROG_TYPE_RAW_TRACEPOINT, c.BPF_PROG_TYPE_SOCKET_FILTER
LOOKUP, UPDATE, SKB_LOAD_BYTES, READ_KERNEL, RINGBUF_OUTPUT = 1, 2, 26, 113, 130
RINGBUF_RESERVE = 131

Code = list[op.Insn | tuple[op.Insn, ...]]
BAD: dict[str, Callable[[dict[str, int]], tuple[int, Code]]] = {}


def bad(make: Callable[[dict[str, int]], tuple[int, Code]]) -> None:
    BAD[make.__name__] = make


def end() -> Code:
    return [op.mov64_imm(op.R0, 0), op.exit_insn()]


def lookup(fd: int) -> Code:
    """Look up key 0; the value's address, or 0, is in r0."""
    return [
        op.st_mem(op.W, op.R10, -4, 0),
        op.mov64_reg(op.R2, op.R10),
        op.alu64_imm(op.ADD, op.R2, -4),
        op.ld_map_fd(op.R1, fd),
        op.call(LOOKUP),
    ]


def found(fd: int) -> Code:
    """The same, and leave if there is nothing."""
    return [*lookup(fd), op.jmp_imm(op.JNE, op.R0, 0, 2), *end()]


@bad
def poisoned(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.call(POISON_CALL), *end()]


@bad
def map_value_or_null(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [*lookup(fds["hash"]), op.ldx_mem(op.DW, op.R1, op.R0), *end()]


@bad
def possibly_null(fds: dict[str, int]) -> tuple[int, Code]:
    # bpf_map_update_elem(map, key, what a look-up of the same key gave)
    code = [
        *lookup(fds["hash"]),
        op.ld_map_fd(op.R1, fds["hash"]),
        op.mov64_reg(op.R2, op.R10),
        op.alu64_imm(op.ADD, op.R2, -4),
        op.mov64_reg(op.R3, op.R0),
        op.mov64_imm(op.R4, 0),
        op.call(UPDATE),
    ]
    return RAW_TP, [*code, *end()]


@bad
def reference(fds: dict[str, int]) -> tuple[int, Code]:
    # A record that is reserved and never sent.
    code = [
        op.ld_map_fd(op.R1, fds["ring"]),
        op.mov64_imm(op.R2, 8),
        op.mov64_imm(op.R3, 0),
        op.call(RINGBUF_RESERVE),
    ]
    return RAW_TP, [*code, *end()]


@bad
def scalar(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.mov64_imm(op.R1, 4096), op.ldx_mem(op.DW, op.R2, op.R1), *end()]


@bad
def unbounded(fds: dict[str, int]) -> tuple[int, Code]:
    code = [
        *found(fds["array"]),
        op.ldx_mem(op.DW, op.R1, op.R0),
        op.alu64_reg(op.ADD, op.R0, op.R1),
        op.st_mem(op.B, op.R0, 0, 1),
    ]
    return RAW_TP, [*code, *end()]


@bad
def out_of_bounds(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [*found(fds["array"]), op.ldx_mem(op.DW, op.R1, op.R0, 1000), *end()]


@bad
def read_ok(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.exit_insn()]


@bad
def stack(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.st_mem(op.DW, op.R10, -520, 0), *end()]


@bad
def loop(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.mov64_imm(op.R6, 1), op.jmp_imm(op.JNE, op.R6, 0, -1), *end()]


@bad
def too_large(fds: dict[str, int]) -> tuple[int, Code]:
    code = [
        op.mov64_imm(op.R6, 0),
        op.alu64_imm(op.ADD, op.R6, 1),
        op.mov64_reg(op.R7, op.R6),
        op.jmp_imm(op.JNE, op.R6, 2_000_000, -3),
    ]
    return RAW_TP, [*code, *end()]


@bad
def context(fds: dict[str, int]) -> tuple[int, Code]:
    return SOCKET, [op.ldx_mem(op.W, op.R0, op.R1, 2000), op.exit_insn()]


@bad
def helper(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.mov64_imm(op.R2, 0), op.call(SKB_LOAD_BYTES), *end()]


@bad
def map_type(fds: dict[str, int]) -> tuple[int, Code]:
    code = [
        op.st_mem(op.DW, op.R10, -8, 0),
        op.ld_map_fd(op.R1, fds["array"]),
        op.mov64_reg(op.R2, op.R10),
        op.alu64_imm(op.ADD, op.R2, -8),
        op.mov64_imm(op.R3, 8),
        op.mov64_imm(op.R4, 0),
        op.call(RINGBUF_OUTPUT),
    ]
    return RAW_TP, [*code, *end()]


@bad
def leak(fds: dict[str, int]) -> tuple[int, Code]:
    return SOCKET, [op.mov64_reg(op.R0, op.R10), op.exit_insn()]


@bad
def misaligned(fds: dict[str, int]) -> tuple[int, Code]:
    return RAW_TP, [op.st_mem(op.DW, op.R10, -12, 0), *end()]


@bad
def gpl(fds: dict[str, int]) -> tuple[int, Code]:
    code = [
        op.mov64_reg(op.R1, op.R10),
        op.alu64_imm(op.ADD, op.R1, -8),
        op.mov64_imm(op.R2, 8),
        op.mov64_imm(op.R3, 0),
        op.call(READ_KERNEL),
    ]
    return RAW_TP, [*code, *end()]


@contextmanager
def maps() -> Iterator[dict[str, int]]:
    """Make the maps that the programs use; give their descriptors by name."""
    opened = {
        "array": syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 8, 1, name="refused"),
        "hash": syscall.map_create(c.BPF_MAP_TYPE_HASH, 4, 8, 1, name="refused"),
        "ring": syscall.map_create(c.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096, name="refused"),
    }
    try:
        yield opened
    finally:
        for fd in opened.values():
            os.close(fd)


def refusal_of(name: str, fds: dict[str, int]) -> str:
    """Load a program that must be refused; return the log, empty if it was not."""
    kind, code = BAD[name](fds)
    return (_load_without_perfmon if name == "leak" else _load)(kind, code, name)


def _load(kind: int, code: Code, name: str) -> str:
    license_name = "Proprietary" if name == "gpl" else "GPL"
    try:
        fd, _ = syscall.prog_load(kind, op.assemble(*code), license_name, name=name)
    except syscall.RefusedError as refusal:
        return refusal.log
    os.close(fd)
    return ""


def _load_without_perfmon(kind: int, code: Code, name: str) -> str:
    """Load it in a child process that has CAP_BPF only: the verifier then hides addresses."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            _keep_only_cap_bpf()
            os.write(writer, _load(kind, code, name).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        log = pipe.read().decode()
    os.waitpid(child, 0)
    return log


def _keep_only_cap_bpf() -> None:
    """Give up all capabilities but CAP_BPF (39), with capset(2), version 3."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    high = 1 << (39 - 32)
    data = (ctypes.c_uint32 * 6)(0, 0, 0, high, high, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")
