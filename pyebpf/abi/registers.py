"""``struct pt_regs``: where each machine keeps registers, arguments and results.

Source: ``arch/*/include/asm/ptrace.h`` of Linux, and the calling conventions of System V for
x86-64 and of AAPCS64, and Go's "internal ABI specification". A program sees the kernel's registers in this form.
"""

from __future__ import annotations

from pyebpf.plain import Frozen

#: The most arguments that a USDT probe has: the macros of ``sys/sdt.h`` end with ``STAP_PROBE12``.
USDT_ARGUMENTS = 12


class Registers(Frozen):
    """The registers of a machine, as the kernel saves them.

    Attributes:
        names: in the order of ``struct pt_regs``, 8 bytes each.
        arguments: those that hold a function's arguments, in order.
        syscall_arguments: those that hold the arguments of a system call.
        go_arguments: those that hold the arguments of a Go function, word by word (Go 1.17, on
            ARM64 1.18).
        result: the one that holds what a function gives.
        ip: the instruction pointer.
        sp: the stack pointer.
    """

    names: tuple[str, ...]
    arguments: tuple[str, ...]
    syscall_arguments: tuple[str, ...]
    go_arguments: tuple[str, ...]
    result: str
    ip: str
    sp: str

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """Registers for as many arguments as a USDT probe may have, where they really are unknown.

        The first are those of a function's arguments.
        """
        others = tuple(name for name in self.names if name not in self.arguments)
        return (*self.arguments, *others)[:USDT_ARGUMENTS]

    def offset(self, name: str) -> int:
        """Return where a register is, in bytes."""
        return 8 * self.names.index(name)


_X86 = Registers(
    ("r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si",
     "di", "orig_ax", "ip", "cs", "flags", "sp", "ss"),
    ("di", "si", "dx", "cx", "r8", "r9"),
    ("di", "si", "dx", "r10", "r8", "r9"),
    ("ax", "bx", "cx", "di", "si", "r8", "r9", "r10", "r11"),
    "ax",
    "ip",
    "sp",
)  # fmt: skip
_ARM64_ARGUMENTS = tuple(f"x{number}" for number in range(8))
_ARM64 = Registers(
    (*(f"x{number}" for number in range(31)), "sp", "pc", "pstate"),
    _ARM64_ARGUMENTS,
    _ARM64_ARGUMENTS[:6],
    tuple(f"x{number}" for number in range(16)),
    "x0",
    "pc",
    "sp",
)

#: By the machine's name, as ``uname -m`` gives it.
REGISTERS = {"x86_64": _X86, "aarch64": _ARM64}
