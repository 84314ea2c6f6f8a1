"""The typed tree of fields that the kernel itself works with."""

from __future__ import annotations

from pyebpf.dsl.typed import RecordField, Stmt


class Locked(Stmt):
    """``with entry.lock: body``; the lock is released on every way out."""

    lock: RecordField
    body: list[Stmt]
