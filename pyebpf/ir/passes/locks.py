"""Check that nothing of the kernel is called while a lock is held: the verifier refuses it.

After the choice of kernel accesses, for reading a kernel object may be a call too.

Takes:  any function.
Gives:  the function, unchanged.
Reports: ``E0403``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyebpf.diag import Diagnostic
from pyebpf.ir.flow import Flow
from pyebpf.ir.nodes import CallFunction, CallHelper

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Block, Function


class CalledLocked(Diagnostic):
    """While a program holds a lock it may only compute, and read and write memory.

    Wrong:
        account = accounts.get(1)
        if account is not None:
            with account.lock:
                account.turns = ktime_get_ns()

    Right:
        account = accounts.get(1)
        now = ktime_get_ns()
        if account is not None:
            with account.lock:
                account.turns = now
    """

    code: ClassVar[str] = "E0403"
    title: ClassVar[str] = "a call of the kernel while a lock is held (`{called}`)"
    label: ClassVar[str] = "this calls `{called}`"
    help: ClassVar[str] = "do it before or after the block of the lock"
    called: str


def check_locks(fn: Function, context: Context) -> bool:
    """Report calls between taking a lock and releasing it."""
    if not any(_is(i, "spin_lock") for block in fn.blocks for i in block.instrs):
        return False
    flow = Flow(fn)
    entered: dict[Block, bool] = {flow.order[0]: False}
    reported = set()
    for block in flow.order:  # a block comes after one of those before it, and all of them agree
        held = entered[block]
        for instr in block.instrs:
            if _is(instr, "spin_unlock"):
                held = False
            elif held and isinstance(instr, CallHelper | CallFunction):
                called = getattr(instr, "helper", "") or getattr(instr, "function", "")
                place = instr.span or fn.span
                if place not in reported:
                    reported.add(place)
                    context.report(CalledLocked(place, called))
            if _is(instr, "spin_lock"):
                held = True
        for successor in block.successors():
            entered.setdefault(successor, held)
    return False


def _is(instr: object, helper: str) -> bool:
    return isinstance(instr, CallHelper) and instr.helper == helper
