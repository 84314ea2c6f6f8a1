"""Blocks that hold a lock, from the typed tree to IR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.ir.types import VOID

if TYPE_CHECKING:
    from pyebpf.dsl.lower.statements import Lowering
    from pyebpf.dsl.typed_locks import Locked


def locked(low: Lowering, statement: Locked) -> None:
    """Lower ``with entry.lock:``; whatever leaves the block releases the lock."""
    pointer = low.member(statement.lock.base, statement.lock.field)
    low.build.span = statement.span
    low.build.call("spin_lock", (pointer,), VOID)
    low.locks.add(pointer)
    low.held.append(pointer)
    low.block(statement.body)
    low.held.pop()
    if not low.build.done:
        low.build.call("spin_unlock", (pointer,), VOID)
