"""System calls of this machine, by number and by name."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pyebpf.abi.syscalls import syscall_names
from pyebpf.btf.near import nearest


def names() -> Mapping[int, str]:
    """Return the names of the system calls of 64-bit programs, by number."""
    return syscall_names(os.uname().machine)


def name_of(number: int) -> str:
    """Return the name of a system call, or ``"[unknown: 999]"``."""
    return names().get(number, f"[unknown: {number}]")


def number_of(name: str) -> int:
    """Return the number of a system call.

    Raises:
        ValueError: there is none of that name; the message has the nearest.
    """
    for number, known in names().items():
        if known == name:
            return number
    near = nearest(name, list(names().values()))
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ValueError(f"there is no system call {name!r}{hint}")
