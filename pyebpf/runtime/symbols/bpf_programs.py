"""How far the machine code of BPF programs reaches: the kernel's list of symbols has no sizes."""

from __future__ import annotations

import os
from contextlib import suppress

from pyebpf.errors import KernelError
from pyebpf.runtime import syscall


def lengths() -> dict[int, int]:
    """Return the length of each function of the loaded programs, in bytes, by its address.

    Empty for a process that may not ask for all programs.

    Cost: four system calls for each program.
    """
    found: dict[int, int] = {}
    with suppress(KernelError):
        for ident in syscall.ids("prog"):
            with suppress(KernelError):  # it has ended meanwhile
                fd = syscall.fd_by_id("prog", ident)
                try:
                    found.update(syscall.prog_code(fd))
                finally:
                    os.close(fd)
    return found
