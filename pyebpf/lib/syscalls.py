"""System calls as tracepoints see them: which there are, and what their results say."""

from __future__ import annotations

import os
from typing import Any

#: Whether this machine has calls of the time before those that end with ``at``: ``open``, ``stat``.
#: Machines that Linux came to later (``include/uapi/asm-generic/unistd.h``) have only the newer.
LEGACY = os.uname().machine not in ("aarch64", "riscv64", "loongarch64")


def error_of(_: object, row: Any) -> int:
    """Return the error number of a record with the result ``ret`` of a call; 0 if it has none."""
    error: int = max(-row.ret, 0)
    return error


def zero_or_error(_: object, row: Any) -> int:
    """Return -1 for a record with an error as its ``ret``, otherwise 0."""
    return -1 if row.ret < 0 else 0
