"""Taking what an array holds without losing an addition: a program exchanges each word for 0.

User space cannot: a copy and a store are two steps, even in mapped memory. A program does it in one
for each 8 or 4 bytes, which is what programs add to.
"""

from __future__ import annotations

import mmap
import os
import struct

import numpy as np
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.host.cpus import online
from pyebpf.owner import Owner
from pyebpf.runtime import syscall
from pyebpf.runtime.maps.layout import Layout
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.objects import MapSpec

_LOOKUP = 1  # bpf_map_lookup_elem
#: Elements of one run at most, and how many instructions all of them may be to the verifier.
_MOST, _STEPS = 64, 16_384
#: The largest value whose code a jump reaches over.
_LARGEST = 1 << 16
_ON_CPU = 1  # BPF_F_TEST_RUN_ON_CPU
_CONTEXT = struct.Struct("=Q")


class Exchange(Owner):
    """A program that exchanges the elements of an array for zeros, which runs when it is told to.

    Raises:
        KernelError: this kernel lacks what it needs, or values may not be exchanged.

    Since:  Linux 5.12.
    """

    def __init__(self, fd: int, spec: MapSpec, layout: Layout) -> None:
        self._entries, self._cpus, self._stride = spec.max_entries, layout.cpus, layout.stride
        self._length = spec.max_entries * layout.stride
        body = _exchanged(spec.value_size)
        self._at_once = max(1, min(_MOST, spec.max_entries, _STEPS // (len(body) + 16)))
        out = syscall.map_create(
            c.BPF_MAP_TYPE_ARRAY, 4, layout.stride, spec.max_entries, flags=c.BPF_F_MMAPABLE,
            name="taken",
        )  # fmt: skip
        try:
            self._memory = mmap.mmap(out, self._length, mmap.MAP_SHARED, mmap.PROT_READ)
            code, kind = _code(fd, out, body, self._at_once), c.BPF_PROG_TYPE_RAW_TRACEPOINT
            self._program, _ = syscall.prog_load(kind, code, "GPL", name="take", explain=False)
        finally:
            os.close(out)  # the program has it

    def take(self) -> NDArray[np.uint8]:
        """Return what was in the array.

        Shape:  ``(n, bytes)``, or ``(n, c, bytes)`` with a row for each possible CPU. CPUs that are
        not online keep what they have.
        Cost:   a microsecond for some dozen elements, for each CPU.
        """
        if not self._cpus:
            return self._run(0, 0).copy()
        taken = np.zeros((self._entries, self._cpus, self._stride), np.uint8)
        for cpu in online():
            taken[:, cpu] = self._run(_ON_CPU, cpu)
        return taken

    def _run(self, flags: int, cpu: int) -> NDArray[np.uint8]:
        for first in range(0, self._entries, self._at_once):
            context = _CONTEXT.pack(first)
            syscall.prog_test_run(self._program, ctx=context, flags=flags, cpu=cpu)
        return np.ndarray((self._entries, self._stride), np.uint8, self._memory)

    def close(self) -> None:
        """Close the program. Closing twice is no error."""
        fd, self._program = self._program, -1
        if fd >= 0:
            os.close(fd)


def is_exchangeable(spec: MapSpec) -> bool:
    """Tell whether we may write, programs may, and there is nothing of the kernel's in values."""
    one_sided = spec.flags & (c.BPF_F_RDONLY | c.BPF_F_WRONLY | c.BPF_F_RDONLY_PROG)
    return not one_sided and not kernel_fields(spec.value) and spec.value_size <= _LARGEST


def _exchanged(size: int) -> list[i.Insn]:
    """Move the words of a value from R8 to R0, and leave zeros."""
    out = []
    for at in range(0, size - size % 4, 8):
        width = i.DW if size - at >= 8 else i.W
        exchange = i.atomic(width, i.XCHG, i.R8, i.R1, at)
        out += [i.mov64_imm(i.R1, 0), exchange, i.stx_mem(width, i.R0, i.R1, at)]
    for at in range(size - size % 4, size):  # no program adds to less than 4 bytes
        out += [i.ldx_mem(i.B, i.R1, i.R8, at), i.st_mem(i.B, i.R8, at, 0)]
        out.append(i.stx_mem(i.B, i.R0, i.R1, at))
    return out


def _code(fd: int, out: int, body: list[i.Insn], count: int) -> bytes:
    """Exchange ``count`` elements from the one in the first word of the context on."""
    index = i.mov64_reg(i.R2, i.R10), i.alu64_imm(i.ADD, i.R2, -4)
    ending = i.alu64_imm(i.ADD, i.R6, 1), i.alu64_imm(i.SUB, i.R7, 1)
    loop = [
        i.stx_mem(i.W, i.R10, i.R6, -4),
        *i.ld_map_fd(i.R1, fd), *index, i.call(_LOOKUP),
        i.jmp_imm(i.JEQ, i.R0, 0, len(body) + 10), i.mov64_reg(i.R8, i.R0),
        *i.ld_map_fd(i.R1, out), *index, i.call(_LOOKUP),
        i.jmp_imm(i.JEQ, i.R0, 0, len(body) + 3),
        *body, *ending,
    ]  # fmt: skip
    return i.assemble(
        i.ldx_mem(i.DW, i.R6, i.R1, 0), i.mov64_imm(i.R7, count),
        tuple(loop), i.jmp_imm(i.JNE, i.R7, 0, -len(loop) - 1),
        i.mov64_imm(i.R0, 0), i.exit_insn(),
    )  # fmt: skip
